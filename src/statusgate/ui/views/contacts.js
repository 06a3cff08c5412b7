/** The people of an account: searched by name or number, with who gets its statuses and who does not. */

import { ask } from '../dialog.js';
import { bdi, h, initials, isolated, line, ltr, once, phone } from '../dom.js';
import { number, t } from '../i18n.js';
import { longList } from '../long.js';
import { accountLine } from './head.js';
import { newPeople } from './sandbox.js';

const REST_MS = 30000;
const SHOWS = ['everybody', 'included', 'excluded'];

export default function contacts(context) {
  const { client, id } = context;
  /** @type {{id: string, name: string, contactName: string, reason: string, text: string}[]} */
  let people = [];
  let account = null;
  let show = 'everybody';
  let readAt = 0;

  const of = h('p', { class: 'hint' });
  const search = h('input', { type: 'search', 'aria-label': t('searchPeople'), placeholder: t('searchPeople'), oninput: draw });
  const counts = Object.fromEntries(SHOWS.map((each) => [each, h('span', {})]));
  const tabs = h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, t('show')), SHOWS.map((each) => h('label', {},
    h('input', { type: 'radio', name: 'show', value: each, checked: each === show, onchange: () => { show = each; draw(); } }), counts[each])));
  const found = h('p', { class: 'hint', role: 'status' });
  const list = longList(t('contacts'), (one) => one.id, row);
  const tools = h('div', { class: 'sift' }, search, tabs);
  const nothing = h('div', { class: 'empty' });
  const node = h('section', { class: 'contacts' }, h('header', { class: 'head' }, h('h1', {}, t('contacts')), of), tools, found, list.node, nothing);

  /** Contacts seldom change, and may be many: what happens elsewhere has them read again only now and then. */
  async function look() {
    if (Date.now() - readAt < REST_MS) return;
    const [status, known, audience] = await Promise.all([
      client.get(id, 'getInstanceStatus'), client.get(id, 'getContacts'), client.post(id, 'getStatusAudience'),
    ]);
    readAt = Date.now();
    account = status;
    const reasons = new Map(audience.excluded.map((one) => [one.id, one.reason]));
    people = known.map(({ id: chatId, name, contactName }) => ({
      id: chatId, name, contactName, reason: reasons.get(chatId) || '', text: `${contactName}\n${name}`.toLocaleLowerCase(),
    })).sort((one, other) => order.compare(one.contactName || one.name || '\uffff', other.contactName || other.name || '\uffff'));
    of.replaceChildren(...accountLine(account));
    draw();
  }

  const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const isShown = { everybody: () => true, included: (one) => !one.reason, excluded: (one) => one.reason };

  function draw() {
    const wanted = search.value.trim().toLocaleLowerCase();
    const digits = /^[\d\s()+-]+$/.test(wanted) ? wanted.replace(/\D/g, '') : '';
    const matches = people.filter((one) => one.text.includes(wanted) || (digits && one.id.includes(digits)));
    const shown = matches.filter(isShown[show]);
    for (const each of SHOWS) counts[each].textContent = `${t(each)} ${number(matches.filter(isShown[each]).length)}`;
    found.textContent = people.length && !shown.length ? t('nobodyFound') : '';
    tools.hidden = !people.length;
    nothing.hidden = people.length > 0;
    if (!people.length) nothing.replaceChildren(...empty());
    list.show(shown);
  }

  function row(one) {
    const title = one.contactName || one.name;
    const other = one.contactName && !one.contactName.includes(one.name) && one.name;
    return h('li', {}, initials(one.contactName, one.name),
      h('span', { class: 'told' }, h('span', { class: 'name' }, title ? bdi(title) : ltr(phone(one.id))),
        h('span', { class: 'hint' }, line(title && ltr(phone(one.id)), other && bdi(other), one.reason && t(`skipped_${one.reason}`)))),
      one.reason === 'noContactName' && h('button', { class: 'small', onclick: () => rename(one) }, t('giveName')));
  }

  function rename(one) {
    const name = h('input', { id: 'name', maxlength: 100, dir: 'auto', required: true, value: one.name });
    ask({
      title: t('giveName'), text: t('giveNameText', { who: isolated(phone(one.id)) }), yes: t('save'),
      field: h('label', { class: 'field' }, h('span', {}, t('accountName')), name),
      act: async () => {
        await client.post(id, 'editContact', { chatId: one.id, firstName: name.value.trim() });
        await lookNow();
      },
    });
  }

  function empty() {
    const isSandbox = account.engine === 'simulated';
    const isUnlinked = account.stateInstance === 'notAuthorized' && !isSandbox;
    const add = h('button', { class: 'primary', onclick: () => once(add, meet) }, t('sandboxMeet'));
    return [h('h2', {}, t('noContacts')), h('p', {}, t(isSandbox ? 'noContactsSandbox' : isUnlinked ? 'noContactsUnlinked' : 'noContactsText')),
      isSandbox && h('p', {}, add),
      isUnlinked && h('p', {}, h('a', { class: 'button primary', href: `#/${id}/link` }, t('linkPhone')))].filter(Boolean);
  }

  async function meet() {
    await client.post(id, 'simulate', newPeople());
    await lookNow();
  }

  function lookNow() {
    readAt = 0;
    return look();
  }

  return { title: t('contacts'), node, look };
}
