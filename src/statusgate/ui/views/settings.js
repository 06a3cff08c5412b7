/** The settings of an account that have an effect here, and what can be done to the account itself. */

import { Refusal } from '../api.js';
import { h, once } from '../dom.js';
import { memoryOf } from '../drafts.js';
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
  let saved = null;
  let changes = memoryOf(client).get(`settings ${id}`) || {};
  let trouble = '';

  const groups = Object.entries(GROUPS).map(([group, names]) => h('section', { class: 'group-of' },
    h('header', {}, h('h2', {}, t(`group_${group}`)), h('p', { class: 'hint' }, t(`groupText_${group}`))),
    h('div', { class: 'fields' }, names.map((name) => {
      const field = fieldOf(name, typed);
      fields.push(field);
      return field.node;
    }), group === 'webhook' && h('p', { class: 'hint' }, h('a', { class: 'in-text', href: `#/${id}/delivery` }, t('toDelivery'))))));
  const node = h('section', { class: 'settings' }, h('header', { class: 'head' }, h('h1', {}, t('settings')), of),
    h('form', { novalidate: true, onsubmit: store }, groups, bar), account.node);

  function typed() {
    const different = fields.filter((field) => field.value() !== String(saved[field.name]));
    changes = Object.fromEntries(different.map((field) => [field.name, field.value()]));
    memoryOf(client).set(`settings ${id}`, changes);
    trouble = '';
    draw();
  }

  function draw() {
    const n = Object.keys(changes).length;
    bar.hidden = !n;
    count.className = trouble ? 'trouble' : '';
    count.textContent = trouble || (n ? t('unsaved', { n }) : '');
  }

  function restore() {
    fields.forEach((field) => field.show(saved[field.name]));
    typed();
  }

  /** What somebody is changing stays as they have it, also when they come back to it. */
  async function look() {
    const [status, known] = await Promise.all([client.get(id, 'getInstanceStatus'), client.get(id, 'getSettings')]);
    for (const field of fields) {
      if (!(field.name in changes)) field.show(known[field.name]);
      else if (!saved) field.show(changes[field.name]);
    }
    saved = known;
    of.replaceChildren(...accountLine(status));
    account.draw(status);
    draw();
  }

  function store(event) {
    event.preventDefault();
    if (bar.hidden) return;
    fields.forEach((field) => field.blame(''));
    once(save, async () => {
      try {
        const stored = changes;
        await client.post(id, 'setSettings', stored);
        changes = Object.fromEntries(Object.entries(changes).filter(([name, value]) => stored[name] !== value));
        await look();
        typed();
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
    trouble = field ? t('nothingSaved') : whyRefused(refusal);
    draw();
    const key = FAULTS.find(([pattern]) => pattern.test(what))?.[1];
    field?.blame(key ? t(key) : what);
  }

  return { title: t('settings'), node, look };
}

/** One setting: its name, what it does, and how to change it. */
function fieldOf(name, typed) {
  const isText = name.startsWith('webhookUrl');
  const isNumber = name === DELAY;
  const isSecret = name === 'webhookUrlToken';
  const trouble = h('span', { class: 'trouble', id: `trouble-${name}`, role: 'alert' });
  const about = h('span', { class: 'hint', id: `about-${name}` }, t(`about_${name}`));
  const common = { id: name, name, 'aria-describedby': `about-${name} trouble-${name}`, oninput: typed };
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
      else if (isNumber) input.value = Number(value) ? String(value / 1000) : '';
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
