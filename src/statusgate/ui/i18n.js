/** Languages: whole sentences from a catalogue, numbers and times by Intl. */

import { h } from './dom.js';

export const LANGUAGES = { en: 'English', ru: 'Русский', he: 'עברית' };
const CHOICE = 'statusgate.language';
const SPANS = [['hour', 3600, 1], ['minute', 60, 0], ['second', 1, 1], ['millisecond', 0.001, 0]];

let language = 'en';
let catalogue = {};
let formats = {};

/** Load the chosen language, else the browser's first that is known. */
export async function loadLanguage(chosen = '') {
  const wanted = [chosen || remembered(), ...navigator.languages.map((each) => each.split('-')[0])];
  language = wanted.find((each) => each && each in LANGUAGES) || 'en';
  if (chosen) remember(chosen);
  catalogue = (await import(`./lang/${language}.js`)).default;
  document.documentElement.lang = language;
  document.documentElement.dir = language === 'he' ? 'rtl' : 'ltr';
  const region = navigator.languages.find((each) => each.split('-')[0] === language) || language;
  const format = (options) => new Intl.DateTimeFormat(region, options);
  formats = {
    number: new Intl.NumberFormat(region),
    percent: new Intl.NumberFormat(region, { style: 'percent', maximumFractionDigits: 0 }),
    smallPercent: new Intl.NumberFormat(region, { style: 'percent', maximumFractionDigits: 1 }),
    plural: new Intl.PluralRules(language),
    relative: new Intl.RelativeTimeFormat(region, { numeric: 'auto', style: 'long' }),
    time: format({ hour: 'numeric', minute: '2-digit' }),
    day: format({ day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' }),
    full: format({ dateStyle: 'full', timeStyle: 'medium' }),
  };
}

/** A browser may forbid to keep anything; then every visit begins with its own language. */
function remembered() {
  try { return localStorage.getItem(CHOICE); } catch { return null; }
}

function remember(chosen) {
  try { localStorage.setItem(CHOICE, chosen); } catch { /* as above */ }
}

export const currentLanguage = () => language;

/**
 * A sentence; `{name}` in it stands for a value. `n` also chooses the plural form.
 * @param {string} key @param {Record<string, any>} [values]
 * @returns {string}
 */
export const t = (key, values = {}) => say(key, values).join('');

/** As `t`, for values that are nodes: a list of texts and nodes. */
export function say(key, values = {}) {
  const entry = catalogue[key];
  if (entry === undefined) throw new Error(`no text for ${key}`);
  const text = typeof entry === 'string' ? entry : (entry[formats.plural.select(values.n)] ?? entry.other);
  return text.split(/(\{\w+\})/).filter((part) => part).map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (!name) return part;
    return typeof values[name] === 'number' ? number(values[name]) : values[name];
  });
}

/** Whether the catalogue has a text. */
export const has = (key) => key in catalogue;

export const number = (value) => formats.number.format(value);

/** A share of a whole, with a decimal where whole percents would say nothing. */
export function percent(part, whole) {
  if (!whole) return '';
  const share = part / whole;
  return (share > 0 && share < 0.01 ? formats.smallPercent : formats.percent).format(share);
}

/** A time in words that suit its distance. @param {number} seconds unix */
export function when(seconds) {
  const ago = Date.now() / 1000 - seconds;
  if (Math.abs(ago) < 45) return t(ago < 0 ? 'soon' : 'justNow');
  if (Math.abs(ago) < 3600) return formats.relative.format(-Math.round(ago / 60), 'minute');
  const moment = new Date(seconds * 1000);
  const isToday = moment.toDateString() === new Date().toDateString();
  return isToday ? formats.time.format(moment) : formats.day.format(moment);
}

/** A time that goes on by itself; its full form is its title. */
export function moment(seconds) {
  const at = new Date(seconds * 1000);
  return h('time', { datetime: at.toISOString(), title: formats.full.format(at), 'data-at': seconds }, when(seconds));
}

/** A span such as "3 h", "42 min" or "80 ms". */
export function span(seconds) {
  const [unit, size, digits] = SPANS.find(([, least]) => seconds >= least) || SPANS.at(-1);
  const options = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits };
  return new Intl.NumberFormat(formats.number.resolvedOptions().locale, options).format(seconds / size);
}

/** What the gateway refused, in words. @param {import('./api.js').Refusal} fault */
export function whyRefused({ code, message }) {
  if (code === 403 && message === 'Forbidden') return t('wrongId');
  const key = { 0: 'unreachable', 429: 'tooMany', 503: 'unavailable' }[code];
  return key ? t(key) : t('failedText', { why: message || String(code) });
}

/** Renew every time that is shown. */
export function tick() {
  for (const each of document.querySelectorAll('time[data-at]')) {
    const text = when(Number(each.dataset.at));
    if (each.textContent !== text) each.textContent = text;
  }
}
