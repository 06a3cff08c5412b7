/** How many had got and viewed a status by when: two cumulative steps, and the same as a table. */

import { h } from './dom.js';
import { number, percent, span, t } from './i18n.js';

const WIDTH = 640;
const HEIGHT = 220;
const DAY = 86400;
const MARKS = [900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, DAY];

/**
 * Running totals from the buckets of a report.
 * @param {any} report of getStatusReport, by the minute
 * @param {number} interval seconds of a bucket
 */
function totals(report, interval) {
  let delivered = 0;
  let read = 0;
  return report.timeline.map((bucket) => {
    delivered += bucket.delivered;
    read += bucket.read;
    return { after: Math.max(0, bucket.time + interval - report.sentAt), delivered, read };
  });
}

/** What was known *after* so many seconds. */
const at = (points, after) => points.findLast((point) => point.after <= after) || { delivered: 0, read: 0 };

/** The seconds after which half of the views of the day had come; null without views. */
export function median(points) {
  const whole = at(points, DAY).read;
  return whole ? points.find((point) => point.read >= whole / 2).after : null;
}

/** The curve with its table; null while there is nothing to draw. */
export function curve(report) {
  if (!report.sentAt || !report.timeline.length) return null;
  const points = totals(report, 60);
  const age = Math.max(900, Math.min(DAY, Date.now() / 1000 - report.sentAt));
  const end = MARKS.find((mark) => mark >= age) || DAY;
  const last = at(points, DAY);
  const top = Math.max(1, report.counts.total, last.delivered, last.read);
  const half = median(points);
  return h('figure', { class: 'curve' },
    drawing(points, end, Math.min(age, end), top, half),
    half !== null && h('figcaption', { class: 'hint' }, t('halfWithin', { time: span(half) })),
    table(points, MARKS.filter((mark) => mark <= end), age, top));
}

function drawing(points, end, age, top, half) {
  const x = (after) => (Math.min(after, end) / end) * WIDTH;
  const y = (count) => HEIGHT - (count / top) * HEIGHT;
  const step = (key) => {
    const within = points.filter((point) => point.after <= end);
    return `${within.map((point) => `H${x(point.after).toFixed(1)}V${y(point[key]).toFixed(1)}`).join('')}H${x(age).toFixed(1)}`;
  };
  const area = (key) => `M0 ${HEIGHT}${step(key)}V${HEIGHT}Z`;
  const grid = [0, 0.5, 1].map((share) => h('line', { x1: 0, x2: WIDTH, y1: y(top * share), y2: y(top * share), class: 'grid' }));
  const marks = MARKS.filter((mark) => mark <= end && x(mark) > 40).map((mark) => h('text', {
    x: x(mark), y: HEIGHT + 22, 'text-anchor': mark === end ? 'end' : 'middle',
  }, span(mark)));
  const middle = half !== null && half <= end && [
    h('line', { x1: x(half), x2: x(half), y1: 0, y2: HEIGHT, class: 'median' }),
    h('circle', { cx: x(half), cy: y(at(points, half).read), r: 4, class: 'median' })];
  return h('svg', { viewBox: `-2 -24 ${WIDTH + 4} ${HEIGHT + 56}`, role: 'img', 'aria-label': t('curveLabel') },
    h('path', { d: area('delivered'), class: 'delivered area' }), h('path', { d: area('read'), class: 'read area' }), grid,
    h('path', { d: `M0 ${HEIGHT}${step('delivered')}`, class: 'delivered' }), h('path', { d: `M0 ${HEIGHT}${step('read')}`, class: 'read' }),
    middle, marks, h('text', { x: 0, y: -8 }, number(top)));
}

function table(points, marks, age, top) {
  const cell = (count) => [number(count), ' ', h('span', { class: 'hint' }, percent(count, top))];
  const rows = marks.filter((mark, place) => !place || marks[place - 1] < age).map((mark) => {
    const { delivered, read } = at(points, mark);
    return h('tr', {}, h('th', { scope: 'row' }, t('within', { time: span(mark) })), h('td', {}, cell(delivered)), h('td', {}, cell(read)));
  });
  const head = [['th', t('afterPosting')], ['th', t('stepDelivered')], ['th', t('stepRead')]];
  return h('table', {}, h('thead', {}, h('tr', {}, head.map(([tag, text]) => h(tag, { scope: 'col' }, text)))), h('tbody', {}, rows));
}
