/** What can be done to an account: a new token, a restart, logging out, and deleting it. */

import { ask, made } from '../dialog.js';
import { h, isNew, isolated, ltr, phone } from '../dom.js';
import { t } from '../i18n.js';

/** @param {any} context of the view */
export function accountActions(context) {
  const { client, id } = context;
  const { isAdmin } = client.session;
  const rows = h('ul', { class: 'deeds' });
  const node = h('section', { class: 'group-of' },
    h('header', {}, h('h2', {}, t('group_account')), h('p', { class: 'hint' }, t('idInstance'), ': ', ltr(id))), rows);

  const deed = (name, act, kind = '') => h('li', {}, h('span', { class: 'told' }, h('b', {}, t(`do_${name}`)), h('span', { class: 'hint' }, t(`doText_${name}`))),
    act && h('button', { class: kind, onclick: act }, t(`doIt_${name}`)));

  const question = (name, act, isHarm = false) => ask({ title: t(`ask_${name}`), text: t(`askText_${name}`), yes: t(`doIt_${name}`), isHarm, act });

  const renew = () => question('token', async () => {
    const token = await client.renewToken(id);
    return made({
      title: t('newToken'), text: t('tokenOnce'), values: { [t('idInstance')]: id, [t('token')]: token }, goOn: () => {},
    });
  });

  const restart = () => question('reboot', async () => {
    await client.get(id, 'reboot');
    context.tell(t('restarting'), true);
    await context.look();
  });

  const unlink = () => question('logout', async () => {
    await client.get(id, 'logout');
    await context.look();
  }, true);

  /** Who deletes an account types its number; the button waits for that. */
  function erase(number) {
    const digits = number.replace(/\D/g, '');
    const typed = h('input', { id: 'typed', dir: 'ltr', inputmode: 'numeric', autocomplete: 'off', required: true, oninput: check });
    function check() {
      typed.setCustomValidity(typed.value.replace(/[\s()+-]/g, '') === digits ? '' : t('typeNumber', { number: isolated(number) }));
    }
    ask({
      title: t('ask_delete'), text: t('askText_delete'), yes: t('doIt_delete'), isHarm: true,
      field: h('label', { class: 'field' }, h('span', {}, t('typeNumber', { number: isolated(number) })), typed),
      act: async () => {
        await client.partner('deleteInstanceAccount', { method: 'POST', body: JSON.stringify({ idInstance: Number(id) }) });
        context.go('accounts');
        context.tell(t('deleted'), true);
      },
    });
    check();
  }

  function draw(account) {
    const isLinked = account.stateInstance !== 'notAuthorized';
    const number = account.phone ? phone(account.phone) : id;
    if (!isNew(rows, [isLinked, number])) return;
    rows.replaceChildren(
      deed('token', renew),
      deed('reboot', restart),
      isLinked ? deed('logout', unlink, 'danger') : deed('link', () => context.go(`${id}/link`)),
      isAdmin ? deed('delete', () => erase(number), 'danger') : deed('deleteNot'));
  }

  return { node, draw };
}
