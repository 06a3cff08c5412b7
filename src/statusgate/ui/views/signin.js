/** Who is there: an account's id and token, or the operator's token. */

import { Refusal, signIn } from '../api.js';
import { h, once } from '../dom.js';
import { t } from '../i18n.js';

const TROUBLE = { 0: 'unreachable', 401: 'wrongToken', 403: 'wrongId', 429: 'tooManyTries', 503: 'unavailable' };

export default function signin(context) {
  const trouble = h('p', { class: 'trouble', role: 'alert', id: 'trouble' });
  const id = h('input', {
    id: 'id', name: 'username', inputmode: 'numeric', pattern: '[0-9]{1,18}', autocomplete: 'username',
    required: true, dir: 'ltr', spellcheck: 'false', placeholder: '1101000001', title: t('idForm'),
  });
  const token = h('input', {
    id: 'token', name: 'password', type: 'password', autocomplete: 'current-password', required: true,
    dir: 'ltr', spellcheck: 'false', 'aria-describedby': 'trouble',
  });
  const isKept = h('input', { type: 'checkbox', name: 'keep' });
  const button = h('button', { class: 'primary' }, t('signIn'));
  const idField = h('label', { class: 'field' }, h('span', {}, t('idInstance')), id);
  const tokenName = h('span', {}, t('token'));
  const one = choice('one', t('oneAccount'), true);
  const all = choice('all', t('allAccounts'), false);

  function choice(value, text, checked) {
    return h('label', {}, h('input', { type: 'radio', name: 'who', value, checked, onchange: changed }), h('span', {}, text));
  }

  const isAdmin = () => all.firstChild.checked;

  function changed() {
    idField.hidden = isAdmin();
    id.disabled = isAdmin();
    tokenName.textContent = t(isAdmin() ? 'adminToken' : 'token');
    trouble.textContent = '';
  }

  async function enter() {
    trouble.textContent = '';
    const session = { id: isAdmin() ? '' : id.value.trim(), token: token.value.trim(), isAdmin: isAdmin() };
    try {
      await signIn(session);
      context.open(session, isKept.checked);
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      const key = isAdmin() && fault.code === 401 ? 'wrongAdmin' : TROUBLE[fault.code];
      trouble.textContent = key ? t(key) : t('failedText', { why: fault.message });
      token.select();
    }
  }

  const form = h('form', { class: 'panel', onsubmit: (event) => { event.preventDefault(); once(button, enter); } },
    h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, t('who')), one, all),
    idField,
    h('label', { class: 'field' }, tokenName, token),
    h('label', { class: 'check' }, isKept, h('span', {}, t('keep'))),
    trouble, button);
  const node = h('section', { class: 'signin' },
    h('h1', {}, t('signInTitle')), h('p', { class: 'lead' }, t('signInLead')), form,
    h('p', { class: 'hint' }, t('signInHint')));
  return { title: t('signIn'), node };
}
