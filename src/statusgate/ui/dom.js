/** Elements. Text of strangers only ever becomes text nodes: nothing here parses HTML. */

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'text']);
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * An element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] `on…`: a listener; `style`: custom properties by CSSOM
 * @param {...any} children texts, nodes, arrays of them; null and false are left out
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const made = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.entries(value).forEach(([key, to]) => made.style.setProperty(key, to));
    else if (name === 'value' || name === 'checked') made[name] = value;
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Facts on one line, with dots between them; those that are missing are left out. */
export const line = (...facts) => facts.filter(Boolean).flatMap((fact, place) => (place ? [' · ', fact] : [fact]));

/** Somebody else's text, whose direction is its own. */
export const bdi = (text) => h('bdi', {}, visible(text));

/** A phone number or an id. */
export const ltr = (text) => h('bdi', { dir: 'ltr', class: 'id' }, text);

/** An id or a number within a sentence of any direction. */
export const isolated = (text) => `\u2066${text}\u2069`;

/** Write out characters that turn the direction of what follows. */
export function visible(text) {
  return text.replace(BIDI, (one) => `‹U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}›`);
}

/** The number behind a chat id, as people write it. */
export function phone(chatId) {
  const [digits, kind] = chatId.split('@');
  return kind === 'lid' ? `LID ${digits}` : `+${digits}`;
}

/** A person by name; by number where no name is known. */
export function person(chatId, ...names) {
  const name = names.find((each) => each);
  return name ? bdi(name) : ltr(phone(chatId));
}

/** Up to two initials, "#" for who has no letters. */
export function initials(...names) {
  const words = (names.find((each) => each) || '').split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  const letters = (words.length > 1 ? [words[0], words[words.length - 1]] : words).map((word) => [...word][0]);
  return h('span', { class: 'initials', 'aria-hidden': 'true' }, letters.join('').toLocaleUpperCase() || '#');
}

/** Whether what a node shows has to be drawn anew: *value* is not what it was the last time. */
export function isNew(node, value) {
  const print = JSON.stringify(value);
  if (node.print === print) return false;
  node.print = print;
  return true;
}

/** Have a button do one thing at a time; really disabled meanwhile, it would lose the focus. */
export async function once(button, act) {
  if (button.ariaBusy) return;
  button.ariaBusy = button.ariaDisabled = 'true';
  try { await act(); } finally { button.ariaBusy = button.ariaDisabled = null; }
}

/**
 * Whenever something in *root* is drawn anew, give the focus that it had to what took its place.
 * @param {Element} root
 */
export function keepFocus(root) {
  let last = null;
  const nameOf = (node) => [node.id, node.className, node.getAttribute('href'), node.closest('[data-key]')?.dataset.key].join(' ');
  document.addEventListener('focusin', ({ target }) => {
    if (!target.closest('dialog')) last = { node: target, name: nameOf(target), isLost: false };
  });
  new MutationObserver((changes) => {
    if (!last) return;
    last.isLost ||= changes.some(({ removedNodes }) => [...removedNodes].some((each) => each.contains(last.node)));
    if (!last.isLost || document.activeElement !== document.body) return;
    const others = [...root.querySelectorAll(last.node.localName)];
    const same = last.node.isConnected ? last.node : others.find((each) => nameOf(each) === last.name);
    same?.focus({ preventScroll: true });
  }).observe(document.body, { childList: true, subtree: true });
}

/**
 * Bring a list up to date, keeping the nodes of what did not change.
 * @param {Element} list
 * @param {any[]} items
 * @param {(item: any) => string} keyOf
 * @param {(item: any) => Element} make
 */
export function keep(list, items, keyOf, make) {
  const before = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const now = items.map((item) => {
    const key = keyOf(item);
    const known = before.get(key);
    if (known && known.item === item) return known;
    const print = JSON.stringify(item);
    if (known && known.print === print) return known;
    const made = make(item);
    made.dataset.key = key;
    Object.assign(made, { item, print });
    return made;
  });
  if (now.length === list.children.length && now.every((node, place) => node === list.children[place])) return;
  list.replaceChildren(...now);
}

/** Base64 as the address of a picture; only of a type that is named here, never of a told one. */
export function pictureOf(base64, type = 'image/jpeg') {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type }));
}

/** Show a picture of base64 and give its memory back once it is drawn. */
export function picture(base64, properties = {}) {
  let address = '';
  try { address = pictureOf(base64); } catch { return null; }
  const free = () => URL.revokeObjectURL(address);
  return h('img', { alt: '', ...properties, src: address, onload: free, onerror: free });
}
