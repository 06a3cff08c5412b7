/** Who gets a status: all contacts, or people chosen by name; counted by a dry run. */

import { Refusal } from '../api.js';
import { bdi, h, keep, ltr, phone } from '../dom.js';
import { number, t } from '../i18n.js';

const SHOWN = 60;
const PAUSE_MS = 250;

/**
 * @param {any} context of the view
 * @param {{who: string, chosen: string[]}} draft what was chosen, and is kept up to date
 * @param {() => void} changed called when the number of people is known anew
 */
export function audienceField({ client, id }, draft, changed) {
  const chosen = new Set(draft.chosen);
  let contacts = null;
  let timer = 0;
  let asked = 0;

  const search = h('input', { type: 'search', 'aria-label': t('searchPeople'), placeholder: t('searchPeople'), oninput: draw });
  const list = h('ul', { class: 'choose' });
  const found = h('p', { class: 'hint', role: 'status' });
  const picking = h('div', { class: 'picking', hidden: true }, search, list, found);
  const outcome = h('ul', { class: 'hint', 'aria-label': t('leftOut') });
  const radio = (value) => h('label', {}, h('input', { type: 'radio', name: 'who', value, checked: value === draft.who, onchange: () => turn(value) }),
    h('span', {}, t(`to_${value}`)));
  const node = h('fieldset', { class: 'group' }, h('legend', {}, t('audience')), h('div', { class: 'segments' }, radio('all'), radio('some')), picking, outcome);
  const field = { node, total: null, begin: () => turn(draft.who), chosen: () => (draft.who === 'all' ? [] : [...chosen]) };

  async function turn(value) {
    draft.who = value;
    picking.hidden = value === 'all';
    if (value === 'some') {
      contacts ??= await client.get(id, 'getContacts');
      draw();
    }
    await count();
  }

  function draw() {
    if (!contacts) return;
    const wanted = search.value.trim().toLocaleLowerCase();
    const digits = wanted.replace(/\D/g, '');
    const fits = (one) => `${one.contactName}\n${one.name}`.toLocaleLowerCase().includes(wanted) || (digits && one.id.includes(digits));
    const matches = wanted ? contacts.filter(fits) : contacts;
    const shown = matches.slice(0, SHOWN);
    keep(list, shown.map((one) => ({ one, isChosen: chosen.has(one.id) })), ({ one }) => one.id, ({ one }) => row(one));
    found.textContent = t('chosenOf', { chosen: chosen.size, n: matches.length });
  }

  function row(one) {
    const toggle = (event) => {
      if (event.target.checked) chosen.add(one.id); else chosen.delete(one.id);
      draft.chosen = [...chosen];
      found.textContent = t('chosenOf', { chosen: chosen.size, n: contacts.length });
      clearTimeout(timer);
      timer = setTimeout(count, PAUSE_MS);
    };
    const name = one.contactName || one.name;
    return h('li', {}, h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: chosen.has(one.id), onchange: toggle }),
      h('span', { class: 'name' }, name ? bdi(name) : ltr(phone(one.id))), name && h('span', { class: 'hint' }, ltr(phone(one.id)))));
  }

  /** Ask the gateway who would get a status now; the newest question counts. */
  async function count() {
    const turnOf = ++asked;
    if (draft.who === 'some' && !chosen.size) return tell(0, {});
    try {
      const dry = await client.post(id, 'getStatusAudience', { participants: field.chosen(), limit: 0 });
      if (turnOf === asked) tell(dry.total, dry.excludedByReason);
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      if (turnOf === asked) tell(null, {});
    }
  }

  function tell(total, reasons) {
    field.total = total;
    const rows = Object.entries(reasons).map(([reason, n]) => h('li', {}, t(`skipped_${reason}`), ': ', number(n)));
    outcome.replaceChildren(...(rows.length ? [h('li', {}, h('a', { class: 'in-text', href: `#/${id}/contacts` }, t('leftOut'))), ...rows] : []));
    changed();
  }

  return field;
}
