/** All accounts, the sick first, each with its reason and one action. */

import { ask, made } from '../dialog.js';
import { bdi, h, keep, line, ltr, phone } from '../dom.js';
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

  function actions() {
    return h('div', { class: 'choices' },
      h('button', { onclick: () => create('simulated') }, t('trySandbox')),
      h('button', { class: 'primary', onclick: () => create('neonize') }, t('linkPhone')));
  }

  async function look() {
    const found = await client.partner('getInstancesStatus');
    const rank = (one) => ailment(one)?.rank ?? 0;
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
    const isBad = ill && ill.rank >= 4;
    const fact = (key, value) => h('span', { class: 'fact' }, h('span', { class: 'hint' }, t(key)), h('span', {}, value));
    const reason = ill && h('span', { class: `reason ${isBad ? 'trouble' : 'warn'}` }, line(ill.text, ill.why, ill.since && moment(ill.since)));
    const name = one.name ? bdi(one.name) : one.phone ? ltr(phone(one.phone)) : ltr(String(id));
    return h('li', {},
      h('span', { class: `state ${ill ? (isBad ? 'bad' : 'ill') : 'well'}` }, h('span', { class: 'unseen' }, t(ill ? 'ill' : 'online'))),
      h('span', { class: 'told' }, h('a', { class: 'name', href: `#/${id}/mine` }, name),
        reason || h('span', { class: 'hint' }, one.phone ? ltr(phone(one.phone)) : ltr(String(id)), one.engine === 'simulated' && ` · ${t('sandbox')}`)),
      fact('lastPost', one.lastPostedAt ? moment(one.lastPostedAt) : '–'),
      fact('inQueue', number(one.queue.waiting + one.queue.scheduled)),
      fact('failures', number(one.failed24h)),
      h('a', { class: 'button', href: `#/${id}/${ill?.to || 'mine'}` }, ill?.action || t('open')));
  }

  /** Ask for a name, make the account, show its token once. */
  function create(engine) {
    const isSandbox = engine === 'simulated';
    const name = h('input', { id: 'name', maxlength: 255, dir: 'auto', value: isSandbox ? t('sandbox') : '' });
    ask({
      title: t(isSandbox ? 'trySandbox' : 'linkPhone'), text: t(isSandbox ? 'sandboxText' : 'linkText'), yes: t('create'),
      field: h('label', { class: 'field' }, h('span', {}, t('accountName')), name),
      act: async () => {
        const body = JSON.stringify({ name: name.value.trim(), engine });
        const { idInstance, apiTokenInstance } = await client.partner('createInstance', { method: 'POST', body });
        await look();
        return made({
          title: t('created'), text: t('tokenOnce'), values: { [t('idInstance')]: String(idInstance), [t('token')]: apiTokenInstance },
          goOn: () => context.go(`${idInstance}/${isSandbox ? 'mine' : 'link'}`),
        });
      },
    });
  }

  return { title: t('accounts'), node, look, every: POLL_MS };
}
