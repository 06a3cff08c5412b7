/** The frame around the views: who is signed in, which view is shown, what is live. */

import { Client, kept, keepSession, Refusal } from './api.js';
import { h, keepFocus, visible } from './dom.js';
import { currentLanguage, LANGUAGES, loadLanguage, t, tick, whyRefused } from './i18n.js';
import { live } from './live.js';

const IDLE_MS = 30 * 60 * 1000;
const AGAIN_MS = 5000;
const PRELOAD_MS = 1500;
const BRIEF_MS = 6000;
const LOST_MS = 2000;
const VIEWS = {
  mine: 'statuses', people: 'statuses', scheduled: 'statuses', status: 'status', new: 'compose', link: 'link', accounts: 'accounts',
  contacts: 'contacts', delivery: 'delivery', settings: 'settings',
};
/** The pages of an account, and the names of their links. */
const PAGES = { mine: 'statuses', contacts: 'contacts', delivery: 'delivery', settings: 'settings' };

/**
 * What a view gets. A view is `(context) => {title, node, look?, every?, turn?, close?}`: *look* reads
 * what it shows anew, also each *every* milliseconds; *turn* takes other parameters without beginning anew.
 * @typedef {{client: Client, id: string, name: string, rest: string[], tell: (text: string, isBrief?: boolean) => void,
 *   go: (path: string) => void, look: () => Promise<void>, isOpen: () => boolean}} Context
 */

let client = null;
let shown = { key: '', view: null };
let stream = { id: '', close: () => {}, isOpen: false };
let busy = null;
let isStale = false;
let later = 0;
let beat = 0;
let fading = 0;
let lastMove = Date.now();

const notice = h('p', { class: 'notice', role: 'status' });
const bar = h('header', { class: 'bar' });
const main = h('main', { id: 'main', tabindex: '-1' });
const foot = h('footer', { class: 'foot' });

async function start() {
  const link = takeLink();
  await loadLanguage();
  document.body.append(h('a', { class: 'skip', href: '#main', onclick: toMain }, t('skip')), bar, main, foot, notice);
  keepFocus(main);
  const session = kept();
  if (session) open(session);
  window.addEventListener('hashchange', () => arrive(takeLink()));
  setInterval(() => { tick(); watchIdle(); }, 20000);
  addEventListener('unhandledrejection', (event) => {
    if (!(event.reason instanceof Refusal)) return;
    event.preventDefault();
    if (!event.reason.isDenied) tell(whyRefused(event.reason));
  });
  for (const move of ['pointerdown', 'keydown']) addEventListener(move, () => { lastMove = Date.now(); }, { passive: true });
  await arrive(link);
}

/** Show what the address asks for; a link signs in where nobody is signed in. */
async function arrive(link) {
  if (link && !client) await openLink(link);
  await route();
}

/** The one-time code of the demo's link, gone from the address before anything else happens. */
function takeLink() {
  const found = /^#link=([\w-]{20,})$/.exec(location.hash);
  if (found) history.replaceState(null, '', location.pathname);
  return found ? found[1] : '';
}

async function openLink(code) {
  const answer = await fetch(new URL('link', location.href), { method: 'POST', body: code, credentials: 'omit' }).catch(() => null);
  if (!answer?.ok) return tell(t('linkUsed'));
  const { idInstance, apiTokenInstance } = await answer.json();
  open({ id: String(idInstance), token: apiTokenInstance, isAdmin: false });
}

/** @param {import('./api.js').Session} session */
function open(session) {
  client = new Client(session);
  client.onDenied = () => signOut(t('denied'));
  setTimeout(() => Object.values(VIEWS).forEach((kind) => load(kind).catch(() => {})), PRELOAD_MS);
}

/** The module of a view. All are loaded early, so that a page goes on with those of its own version. */
const load = (kind) => import(`./views/${kind}.js`).catch(() => { throw new Refusal(0, 'unreachable'); });

function signOut(why = '') {
  keepSession(null);
  client = null;
  stream.close();
  stream = { id: '', close: () => {}, isOpen: false };
  history.replaceState(null, '', location.pathname);
  tell(why);
  route();
}

function watchIdle() {
  if (client?.session.isAdmin && Date.now() - lastMove > IDLE_MS) signOut(t('idle'));
}

const go = (path) => { location.hash = `#/${path}`; };

function toMain(event) {
  event.preventDefault();
  main.focus();
}

/** Say something that needs no answer; for a few seconds only, or until something else happens. */
function tell(text, isBrief = false) {
  clearTimeout(fading);
  notice.textContent = text;
  if (isBrief) fading = setTimeout(tell, BRIEF_MS, '');
}

/** What the address asks for: `#/<id>/<view>/<rest>`, or `#/accounts`. */
function asked() {
  const parts = location.hash.replace(/^#\/?/, '').split('/').filter((part) => part).map(decode);
  if (!client) return { id: '', name: 'signin', rest: [] };
  if (client.session.isAdmin && !/^\d+$/.test(parts[0] || '')) return { id: '', name: 'accounts', rest: [] };
  const id = client.session.isAdmin ? parts[0] : client.session.id;
  const name = parts[0] === id && parts[1] in VIEWS ? parts[1] : 'mine';
  return { id, name, rest: parts[0] === id ? parts.slice(2) : [] };
}

function decode(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

/** Show the view that the address asks for. */
async function route() {
  const { id, name, rest } = asked();
  const kind = VIEWS[name] || 'signin';
  const key = [id, kind, kind === 'statuses' ? '' : rest.join('/'), currentLanguage()].join(' ');
  follow(id);
  if (shown.key === key && shown.view?.turn) {
    draw(id, name);
    await shown.view.turn(name);
    main.dataset.view = [name, ...rest].join('/');
    return;
  }
  shown.view?.close?.();
  document.querySelector('dialog')?.close();
  clearTimeout(later);
  clearInterval(beat);
  const mine = { key, view: null };
  shown = mine;
  isStale = false;
  const context = { client, id, name, rest, tell, go, look, isOpen: () => stream.isOpen, open: enter };
  let view = null;
  try {
    const module = await load(kind);
    if (shown !== mine) return;
    view = module.default(context);
    main.setAttribute('aria-busy', 'true');
    await view.look?.();
    if (shown !== mine) return view.close?.();
    mine.view = view;
    show(view.node, view.title);
    if (view.every) beat = setInterval(() => document.hidden || look(), view.every);
    if (id) tell('');
    if (isStale) look();
  } catch (fault) {
    view?.close?.();
    if (shown === mine) showFailure(fault);
    else if (!(fault instanceof Refusal)) throw fault;
  } finally {
    main.removeAttribute('aria-busy');
    if (shown === mine) main.dataset.view = [name, ...rest].join('/');
  }
  draw(id, name);
}

function show(node, title) {
  const isFirst = !main.hasChildNodes();
  document.title = `${visible(title)} · statusgate`;
  main.replaceChildren(node);
  if (isFirst) return;
  scrollTo(0, 0);
  if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
}

/** Say in a view's place why it could not be had, and try again when that may have passed. */
function showFailure(fault) {
  if (!(fault instanceof Refusal)) console.error(fault);
  const why = whyRefused(fault);
  if (fault.isPassing) {
    shown.view = { look: route };
    lookLater(fault);
  }
  if (main.firstChild?.dataset.why === why) return;
  show(h('section', { class: 'empty', 'data-why': why },
    h('h1', {}, t('failedTitle')),
    h('p', {}, why),
    h('p', {}, client.session.isAdmin && fault.isDenied ? h('a', { class: 'button primary', href: '#/accounts' }, t('accounts'))
      : h('button', { class: 'primary', onclick: route }, t('again')))), t('failedTitle'));
}

/** Keep one stream open, for the account that is shown; one that is soon open again is not worth a word. */
function follow(id) {
  if (stream.id === id) return;
  stream.close();
  stream = { id, close: () => {}, isOpen: false };
  if (!id) return;
  let isLost = false;
  const sayLost = () => {
    if (stream.id !== id || stream.isOpen) return;
    isLost = true;
    tell(t('reconnecting'));
  };
  stream.close = live(client, id, look, (isOpen) => {
    if (stream.id !== id) return;
    stream.isOpen = isOpen;
    document.documentElement.dataset.live = isOpen ? 'open' : 'closed';
    if (!isOpen) setTimeout(sayLost, LOST_MS);
    else if (isLost) tell('');
    isLost &&= !isOpen;
  });
}

/** Have the view read what it shows anew, one reading at a time; what happens meanwhile, or cannot be read now, is read later. */
async function look() {
  isStale = true;
  if (busy || !shown.view?.look) return;
  clearTimeout(later);
  isStale = false;
  busy = shown.view;
  try { await busy.look(); } catch (fault) {
    if (!(fault instanceof Refusal)) throw fault;
    if (fault.isPassing) lookLater(fault);
  } finally { busy = null; }
  if (isStale) look();
}

function lookLater({ retryAfter }) {
  clearTimeout(later);
  later = setTimeout(look, Math.max(AGAIN_MS, retryAfter * 1000));
}

/** A session begins. */
function enter(session, isKept) {
  keepSession(isKept ? session : null);
  open(session);
  shown.key = '';
  tell('');
  route();
}

async function changeLanguage(event) {
  await loadLanguage(event.target.value);
  document.querySelector('.skip').textContent = t('skip');
  await route();
  bar.querySelector('select')?.focus();
}

/** The top bar. */
function draw(id, name) {
  const link = (path, text, here) => h('a', { href: `#/${path}`, 'aria-current': here }, text);
  const hereIn = (page) => (VIEWS[name] === VIEWS[page] ? 'page' : page === 'mine' && ['status', 'new'].includes(name) ? 'true' : null);
  const languages = Object.entries(LANGUAGES).map(([code, text]) => h('option', { value: code, lang: code }, text));
  bar.replaceChildren(
    h('a', { class: 'mark', href: '#/', 'aria-label': 'statusgate' }, mark(), h('span', {}, 'statusgate')),
    h('nav', { 'aria-label': t('pages') },
      client?.session.isAdmin && link('accounts', t('accounts'), name === 'accounts' ? 'page' : null),
      id && Object.entries(PAGES).map(([page, key]) => link(`${id}/${page}`, t(key), hereIn(page)))),
    h('div', { class: 'tools' },
      h('select', { 'aria-label': t('language'), onchange: changeLanguage }, languages),
      client && h('button', { class: 'quiet', onclick: () => signOut() }, t('signOut'))));
  bar.querySelector('select').value = currentLanguage();
  foot.replaceChildren(h('a', { href: '../docs/api', target: '_blank', rel: 'noopener' }, t('apiReference')));
}

function mark() {
  const ring = { cx: 16, cy: 16, r: 13, fill: 'none', 'stroke-width': 3.5, 'stroke-linecap': 'round', 'stroke-dasharray': '20 7.23' };
  return h('svg', { viewBox: '0 0 32 32', class: 'ring', 'aria-hidden': 'true' }, h('circle', ring), h('circle', { cx: 16, cy: 16, r: 7 }));
}

await start();
