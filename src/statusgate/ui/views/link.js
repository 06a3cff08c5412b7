/** Linking a phone: what it means, the code, three steps, and what comes after. */

import { Refusal } from '../api.js';
import { h, ltr, phone, pictureOf } from '../dom.js';
import { t } from '../i18n.js';

const POLL_MS = 1500;

export default function link(context) {
  const { client, id } = context;
  const node = h('section', { class: 'link' });
  let timer = 0;
  let shown = '';
  let address = '';
  let isOver = false;

  const frame = h('div', { class: 'code' });
  const told = h('p', { class: 'hint', role: 'status' });
  const number = h('input', { id: 'number', inputmode: 'tel', autocomplete: 'tel', dir: 'ltr', pattern: '[+0-9 \\(\\)\\-]{10,24}', required: true });
  const pairing = h('p', { class: 'pairing', dir: 'ltr', role: 'status' });

  function before() {
    node.replaceChildren(h('h1', {}, t('linkPhone')), h('p', {}, t('linkText')), h('p', { class: 'hint' }, t('linkRisk')),
      h('p', {}, h('button', { class: 'primary', onclick: begin }, t('showCode'))));
  }

  function begin() {
    const step = (key) => h('li', {}, t(key));
    node.replaceChildren(h('h1', {}, t('linkPhone')),
      h('div', { class: 'scan' }, h('div', {}, frame, told),
        h('div', {}, h('ol', { class: 'steps' }, step('step1'), step('step2'), step('step3')),
          h('details', {}, h('summary', {}, t('byNumber')),
            h('form', { class: 'form', onsubmit: pair }, h('label', { class: 'field' }, h('span', {}, t('phoneNumber')), number),
              h('button', {}, t('getCode')), pairing)))));
    told.textContent = t('codeComes');
    poll();
  }

  async function poll() {
    clearTimeout(timer);
    if (isOver) return;
    try {
      const { type, message } = await client.get(id, 'qr');
      if (isOver) return;
      if (type === 'alreadyLogged') return await done();
      if (type === 'qrCode') draw(message);
      else if (!shown) told.textContent = t('codeComes');
      else told.textContent = t('codeGone');
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      told.textContent = t(fault.code ? 'tooMany' : 'unreachable');
    }
    timer = setTimeout(poll, POLL_MS);
  }

  function draw(code) {
    if (code === shown) return;
    shown = code;
    URL.revokeObjectURL(address);
    address = pictureOf(code, 'image/png');
    frame.replaceChildren(h('img', { src: address, alt: t('codeLabel') }));
    told.textContent = t('codeChanges');
  }

  async function pair(event) {
    event.preventDefault();
    pairing.textContent = t('codeComes');
    try {
      const answer = await client.post(id, 'getAuthorizationCode', { phoneNumber: number.value.replace(/\D/g, '') });
      pairing.textContent = answer.status ? `${answer.code.slice(0, 4)}-${answer.code.slice(4)}` : t('noCode');
    } catch (fault) { pairing.textContent = t('failedText', { why: fault.message }); }
  }

  async function done() {
    isOver = true;
    const account = await client.get(id, 'getInstanceStatus');
    node.replaceChildren(h('h1', {}, t('linked')), h('p', {}, ltr(phone(account.phone))), h('p', { class: 'hint' }, t('linkedText')),
      h('p', {}, h('a', { class: 'button primary', href: `#/${id}/new` }, t('firstStatus'))));
  }

  async function look() {
    if (node.hasChildNodes() || isOver) return;
    const account = await client.get(id, 'getInstanceStatus');
    const { stateInstance } = account;
    if (stateInstance === 'authorized') await done();
    else if (stateInstance === 'blocked' || stateInstance === 'suspended') {
      node.replaceChildren(h('h1', {}, t(`state_${stateInstance}`)), h('p', {}, t(`${stateInstance}Text`)));
    } else before();
  }

  function close() {
    isOver = true;
    clearTimeout(timer);
    URL.revokeObjectURL(address);
  }

  return { title: t('linkPhone'), node, look, close };
}
