/** All accounts, the sick first, each with its reason and one action. */

import { bdi, h, keep, ltr, phone } from '../dom.js';
import { moment, number, t } from '../i18n.js';
import { ailment } from './ailment.js';

const POLL_MS = 10000;

export default function accounts(context) {
  const { client } = context;
  const sum = h('p', { class: 'hint' });
  const list = h('ul', { class: 'accounts' });
  const nothing = h('div', { class: 'empty' }, h('h2', {}, t('noAccounts')), h('p', {}, t('noAccountsText')), actions());
  const top = actions();
  const node = h('section', {}, h('header', { class: 'strip' }, h('div', {}, h('h1', {}, t('accounts')), sum), h('span', { class: 'grow' }), top), list, nothing);
  const timer = setInterval(() => { if (!document.hidden) look().catch(() => {}); }, POLL_MS);

  function actions() {
    return h('div', { class: 'choices' },
      h('button', { onclick: () => create('simulated') }, t('trySandbox')),
      h('button', { class: 'primary', onclick: () => create('neonize') }, t('linkPhone')));
  }

  async function look() {
    const found = await client.partner('getInstancesStatus');
    const rank = (one) => ailment(one)?.[0] ?? 0;
    const sorted = found.map((one) => [rank(one), one]).sort(([a], [b]) => b - a).map(([, one]) => one);
    const sick = sorted.filter(rank).length;
    sum.textContent = [t('accountsCount', { n: found.length }), sick ? t('needAttention', { n: sick }) : t('allWell')].join(' · ');
    sum.hidden = top.hidden = !found.length;
    nothing.hidden = found.length > 0;
    keep(list, sorted, (one) => String(one.idInstance), row);
  }

  function row(one) {
    const ill = ailment(one);
    const id = one.idInstance;
    const isUnlinked = one.stateInstance === 'notAuthorized';
    const queue = one.queue.waiting + one.queue.scheduled;
    const fact = (key, value) => h('span', { class: 'fact' }, h('span', { class: 'hint' }, t(key)), h('span', {}, value));
    const reason = ill && h('span', { class: `reason ${ill[0] >= 4 ? 'trouble' : 'warn'}` }, t(ill[1]), ill[2] ? [' · ', moment(ill[2])] : null);
    const name = one.name ? bdi(one.name) : one.phone ? ltr(phone(one.phone)) : ltr(String(id));
    return h('li', {},
      h('span', { class: `state ${ill ? (ill[0] >= 4 ? 'bad' : 'ill') : 'well'}` }, h('span', { class: 'unseen' }, t(ill ? 'ill' : 'online'))),
      h('span', { class: 'told' }, h('a', { class: 'name', href: `#/${id}/mine` }, name),
        reason || h('span', { class: 'hint' }, one.phone ? ltr(phone(one.phone)) : ltr(String(id)), one.engine === 'simulated' && ` · ${t('sandbox')}`)),
      fact('lastPost', one.lastPostedAt ? moment(one.lastPostedAt) : '–'),
      fact('inQueue', number(queue)),
      fact('failures', number(one.failed24h)),
      h('a', { class: 'button', href: isUnlinked ? `#/${id}/link` : `#/${id}/mine` }, t(isUnlinked ? 'linkPhone' : 'open')));
  }

  /** Ask for a name, make the account, show its token once. */
  function create(engine) {
    const isSandbox = engine === 'simulated';
    const name = h('input', { id: 'name', maxlength: 255, dir: 'auto', value: isSandbox ? t('sandbox') : '' });
    const trouble = h('p', { class: 'trouble', role: 'alert' });
    const close = () => dialog.close();
    const form = h('form', { onsubmit: make }, h('h2', {}, t(isSandbox ? 'trySandbox' : 'linkPhone')), h('p', {}, t(isSandbox ? 'sandboxText' : 'linkText')),
      h('label', { class: 'field' }, h('span', {}, t('accountName')), name), trouble,
      h('p', { class: 'choices' }, h('button', { type: 'button', onclick: close }, t('cancel')), h('button', { class: 'primary' }, t('create'))));
    const dialog = h('dialog', {}, form);

    async function make(event) {
      event.preventDefault();
      try {
        const body = JSON.stringify({ name: name.value.trim(), engine });
        const made = await client.partner('createInstance', { method: 'POST', body });
        const next = () => { close(); context.go(`${made.idInstance}/${isSandbox ? 'mine' : 'link'}`); };
        const shown = (key, value) => h('label', { class: 'field' }, h('span', {}, t(key)),
          h('input', { readonly: true, dir: 'ltr', value, onfocus: (focus) => focus.target.select() }));
        form.replaceWith(h('div', { class: 'form' }, h('h2', {}, t('created')), h('p', {}, t('tokenOnce')),
          shown('idInstance', String(made.idInstance)), shown('token', made.apiTokenInstance),
          h('p', { class: 'choices' }, h('button', { class: 'primary', onclick: next }, t('goOn')))));
        await look();
      } catch (fault) { trouble.textContent = t('failedText', { why: fault.message }); }
    }

    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  return { title: t('accounts'), node, look, close: () => clearInterval(timer) };
}
