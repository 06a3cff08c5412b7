/** The settings of an account that have an effect here, and what can be done to the account itself. */

import { Refusal } from '../api.js';
import { h, once } from '../dom.js';
import { has, t, whyRefused } from '../i18n.js';
import { accountActions } from './account.js';
import { accountLine } from './head.js';

const GROUPS = {
  webhook: ['webhookUrl', 'webhookUrlToken'],
  announced: ['statusWebhook', 'statusReceiptWebhook', 'statusReactionWebhook', 'statusReplyWebhook', 'statusDeletedWebhook', 'stateWebhook'],
  kept: ['outgoingWebhook', 'statusReplies'],
  posting: ['delaySendMessagesMilliseconds', 'keepOnlineStatus'],
};
const DELAY = 'delaySendMessagesMilliseconds';
const FAULT = /Details: '(\w+)' (.+)$/;
/** What the gateway says of a value, and the text for it. */
const FAULTS = [
  [/valid uri/, 'fault_uri'], [/ports/, 'fault_port'], [/user name/, 'fault_login'], [/fragment/, 'fault_fragment'],
  [/printable/, 'fault_printable'], [/characters long/, 'fault_long'], [/number|than or equal/, 'fault_delay'],
];

export default function settings(context) {
  const { client, id } = context;
  const of = h('p', { class: 'hint' });
  const save = h('button', { class: 'primary' }, t('save'));
  const undo = h('button', { type: 'button', onclick: restore }, t('undo'));
  const count = h('span', { role: 'status' });
  const bar = h('div', { class: 'savebar', hidden: true }, count, h('span', { class: 'grow' }), undo, save);
  const account = accountActions(context);
  const fields = [];
  let saved = {};

  const groups = Object.entries(GROUPS).map(([group, names]) => h('section', { class: 'group-of' },
    h('header', {}, h('h2', {}, t(`group_${group}`)), h('p', { class: 'hint' }, t(`groupText_${group}`))),
    h('div', { class: 'fields' }, names.map((name) => {
      const field = fieldOf(name, changed);
      fields.push(field);
      return field.node;
    }), group === 'webhook' && h('p', { class: 'hint' }, h('a', { class: 'in-text', href: `#/${id}/delivery` }, t('toDelivery'))))));
  const node = h('section', { class: 'settings' }, h('header', { class: 'head' }, h('h1', {}, t('settings')), of),
    h('form', { novalidate: true, onsubmit: store }, groups, bar), account.node);

  const different = () => fields.filter((field) => field.value() !== String(saved[field.name]));

  function changed() {
    const n = different().length;
    bar.hidden = !n;
    count.className = '';
    count.textContent = n ? t('unsaved', { n }) : '';
  }

  function restore() {
    fields.forEach((field) => field.show(saved[field.name]));
    changed();
  }

  /** What somebody is changing stays as they have it. */
  async function look() {
    const [status, known] = await Promise.all([client.get(id, 'getInstanceStatus'), client.get(id, 'getSettings')]);
    const dirty = new Set(different());
    for (const field of fields) if (!Object.keys(saved).length || !dirty.has(field)) field.show(known[field.name]);
    saved = known;
    of.replaceChildren(...accountLine(status));
    account.draw(status);
    changed();
  }

  function store(event) {
    event.preventDefault();
    fields.forEach((field) => field.blame(''));
    return once(save, async () => {
      try {
        const change = Object.fromEntries(different().map((field) => [field.name, field.value()]));
        await client.post(id, 'setSettings', change);
        saved = { ...saved, ...change };
        await look();
        context.tell(t('saved'), true);
      } catch (refusal) {
        if (!(refusal instanceof Refusal)) throw refusal;
        blame(refusal);
      }
    });
  }

  /** Say what is wrong at the field that it is about. */
  function blame(refusal) {
    const [, name, what] = FAULT.exec(refusal.message) || [];
    const field = fields.find((each) => each.name === name);
    count.className = 'trouble';
    count.textContent = field ? t('nothingSaved') : whyRefused(refusal);
    const key = FAULTS.find(([pattern]) => pattern.test(what))?.[1];
    field?.blame(key ? t(key) : what);
  }

  return { title: t('settings'), node, look };
}

/** One setting: its name, what it does, and how to change it. */
function fieldOf(name, changed) {
  const isText = name.startsWith('webhookUrl');
  const isNumber = name === DELAY;
  const isSecret = name === 'webhookUrlToken';
  const trouble = h('span', { class: 'trouble', id: `trouble-${name}`, role: 'alert' });
  const about = h('span', { class: 'hint', id: `about-${name}` }, t(`about_${name}`));
  const common = { id: name, name, 'aria-describedby': `about-${name} trouble-${name}`, oninput: changed };
  const input = isText || isNumber
    ? h('input', { ...common, type: isSecret ? 'password' : 'text', dir: 'ltr', spellcheck: 'false', autocomplete: isSecret ? 'new-password' : 'off',
      inputmode: isNumber ? 'decimal' : isSecret ? 'text' : 'url', placeholder: has(`example_${name}`) ? t(`example_${name}`) : null })
    : h('input', { ...common, type: 'checkbox', role: 'switch' });
  const code = h('code', { dir: 'ltr' }, name);
  const title = h('label', { for: name }, t(`set_${name}`));
  const node = isText || isNumber
    ? h('div', { class: 'setting' }, h('span', { class: 'named' }, title, code), about, isSecret ? h('span', { class: 'secret' }, input, reveal(input)) : input, trouble)
    : h('div', { class: 'setting switch' }, input, h('span', { class: 'named' }, title, code), about, trouble);
  return {
    name, node,
    value: () => (isText ? input.value : isNumber ? milliseconds(input.value) : input.checked ? 'yes' : 'no'),
    show: (value) => {
      if (isText) input.value = value;
      else if (isNumber) input.value = String(value / 1000);
      else input.checked = value === 'yes';
      trouble.textContent = '';
      input.removeAttribute('aria-invalid');
    },
    blame: (why) => {
      trouble.textContent = why;
      input.setAttribute('aria-invalid', String(Boolean(why)));
      if (why) input.focus();
    },
  };
}

/** Seconds as typed, with a point or a comma, in milliseconds; "NaN", which the gateway refuses, if it is no number. */
function milliseconds(typed) {
  const seconds = typed.trim().replace(',', '.');
  return String(seconds ? Math.round(Number(seconds) * 1000) : NaN);
}

/** A button that shows what a field hides. */
function reveal(input) {
  const button = h('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false', onclick: () => {
    const isShown = input.type === 'password';
    input.type = isShown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(isShown));
    button.textContent = t(isShown ? 'hide' : 'reveal');
  } }, t('reveal'));
  return button;
}
