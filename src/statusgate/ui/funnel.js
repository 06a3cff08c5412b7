/** From the audience to who has seen it: four bars of one hue that deepens. */

import { h } from './dom.js';
import { number, percent, t } from './i18n.js';

/**
 * The steps of an outgoing status; audience and sent are null where nobody can know them.
 * @param {any} item with audience, counts and reached
 */
export function steps(item) {
  const { audience, counts, reached } = item;
  const isKnown = audience.complete;
  const whole = audience.resolved ?? counts.total;
  return [
    ['stepAudience', isKnown ? whole : null],
    ['stepSent', isKnown ? counts.total - counts.pending - counts.failed : null],
    ['stepDelivered', reached.delivered],
    ['stepRead', reached.read],
  ];
}

/** The funnel; of a post from the phone the first two steps say that they are unknown. */
export function funnel(item) {
  const all = steps(item);
  const whole = all[0][1] ?? all[2][1];
  return h('ol', { class: 'funnel' }, all.map(([key, count], place) => row(key, count, whole, place)));
}

function row(key, count, whole, place) {
  const bar = h('span', { class: 'fill' });
  if (count !== null) bar.style.setProperty('--share', whole ? count / whole : 0);
  return h('li', { class: `step${place}` },
    h('span', { class: 'figure' }, count === null ? '–' : number(count)),
    h('span', { class: 'what' }, h('b', {}, t(key)),
      h('span', {}, count === null ? t('unknown') : place ? percent(count, whole) : '')),
    h('span', { class: 'track', 'aria-hidden': 'true' }, bar));
}
