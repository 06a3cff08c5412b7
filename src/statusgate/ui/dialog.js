/** Dialogs: questions whose answer has consequences, and what is shown only once. */

import { Refusal } from './api.js';
import { h, once } from './dom.js';
import { t, whyRefused } from './i18n.js';

/**
 * Ask before something is done; a refusal is shown in the dialog, which stays open.
 * @param {{title: string, text: string, yes: string, no?: string, isHarm?: boolean, field?: any,
 *   act: () => Promise<any>}} question *act* does it; a node that it returns is shown instead of the question
 */
export function ask({ title, text, yes, no = t('cancel'), isHarm = false, field = null, act }) {
  const trouble = h('p', { class: 'trouble', role: 'alert' });
  const button = h('button', { class: isHarm ? 'primary harm' : 'primary' }, yes);
  const close = () => dialog.close();
  const form = h('form', { onsubmit: answer }, h('h2', { id: 'ask' }, title), h('p', {}, text), field, trouble,
    h('p', { class: 'choices' }, h('button', { type: 'button', onclick: close }, no), button));
  const dialog = h('dialog', { 'aria-labelledby': 'ask', onclose: () => dialog.remove() }, form);

  function answer(event) {
    event.preventDefault();
    trouble.textContent = '';
    return once(button, async () => {
      try {
        const next = await act();
        if (next) form.replaceWith(next); else close();
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault;
        trouble.textContent = whyRefused(fault);
      }
    });
  }

  document.body.append(dialog);
  dialog.showModal();
}

/**
 * What a dialog shows once something was made: values to copy, and the way on.
 * @param {{title: string, text: string, values: Record<string, string>, goOn: () => void}} made
 */
export function made({ title, text, values, goOn }) {
  const field = ([name, value], place) => {
    const input = h('input', { id: `made-${place}`, readonly: true, dir: 'ltr', value, onfocus: () => input.select() });
    const copy = h('button', { type: 'button', onclick: () => {
      input.select();
      if (document.execCommand('copy')) copy.textContent = t('copied');
    } }, t('copy'));
    return h('div', { class: 'field' }, h('label', { for: input.id }, name), h('span', { class: 'secret' }, input, copy));
  };
  const next = (event) => {
    event.target.closest('dialog').close();
    goOn();
  };
  return h('div', { class: 'form' }, h('h2', { id: 'ask' }, title), h('p', {}, text), Object.entries(values).map(field),
    h('p', { class: 'choices' }, h('button', { class: 'primary', onclick: next }, t('goOn'))));
}
