/** A status as a phone shows it: nine to sixteen, the only saturated thing on a page. */

import { fileAt } from './api.js';
import { h, picture, visible } from './dom.js';
import { has, t } from './i18n.js';

const COLOUR = /^#[0-9a-f]{6}$/i;
const FONTS = { SERIF: 'serif', NORICAN_REGULAR: 'norican', BRYNDAN_WRITE: 'bryndan', OSWALD_HEAVY: 'oswald' };
const KINDS = { imageMessage: 'kindImage', videoMessage: 'kindVideo', audioMessage: 'kindAudio', extendedTextMessage: 'kindText' };

/** What a status is, in a word. */
export const kindOf = (item) => t(KINDS[item.typeMessage] || 'kindText');

/** Its text, or its caption, or "". */
export const textOf = (item) => item.textMessage || item.caption || '';

/** Why a status was not published, in this language where it is a reason of the contract. */
export function whyFailed(failure) {
  const key = `reason_${failure.reason}`;
  return has(key) ? t(key) : visible(failure.description);
}

/**
 * The card.
 * @param {any} item of getStatuses or getStatus
 * @param {{isLarge?: boolean}} [options] large: with the file itself; otherwise its thumbnail
 */
export function card(item, { isLarge = false } = {}) {
  const label = [kindOf(item), textOf(item)].filter((part) => part).join(': ');
  const options = isLarge ? {} : { role: 'img', 'aria-label': visible(label) };
  const made = h('div', { class: `card ${isLarge ? 'large' : ''}`, ...options });
  if (item.typeMessage === 'extendedTextMessage') fillText(made, item);
  else if (item.typeMessage === 'audioMessage') fillVoice(made, item, isLarge);
  else fillPicture(made, item, isLarge);
  return made;
}

/** Colour a card, and choose ink that can be read on it. */
export function paint(node, colour) {
  const known = COLOUR.test(colour || '') ? colour : '#000000';
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(known.slice(at, at + 2), 16));
  node.style.setProperty('--ground', known);
  node.classList.toggle('pale', 0.299 * red + 0.587 * green + 0.114 * blue > 186);
}

function fillText(made, item) {
  const told = item.extendedTextMessage || {};
  paint(made, told.backgroundColor);
  const text = textOf(item);
  const size = text.length < 40 ? 'short' : text.length < 140 ? 'medium' : 'long';
  made.classList.add('text');
  made.append(h('p', { class: `${size} ${FONTS[told.font] || 'sans'}`, dir: 'auto' }, visible(text)));
}

function fillVoice(made, item, isLarge) {
  paint(made, item.backgroundColor || '#1E6E8C');
  made.classList.add('voice');
  const bars = [5, 9, 14, 8, 17, 11, 6, 13, 9, 5].map((height, place) => h('rect', {
    x: place * 5, y: 10 - height / 2, width: 2.6, height, rx: 1.3,
  }));
  made.append(h('svg', { viewBox: '0 0 48 20', 'aria-hidden': 'true' }, bars));
  const file = fileAt(item.downloadUrl);
  if (isLarge && file) made.append(h('audio', { controls: true, preload: 'none', src: file, 'aria-label': kindOf(item) }));
}

function fillPicture(made, item, isLarge) {
  made.classList.add('picture');
  const thumbnail = item.jpegThumbnail && picture(item.jpegThumbnail, { class: 'thumbnail' });
  if (thumbnail) made.append(thumbnail);
  const file = fileAt(item.downloadUrl);
  const isVideo = item.typeMessage === 'videoMessage';
  if (isLarge && file && isVideo) {
    made.append(h('video', { controls: true, preload: 'none', playsinline: true, src: file, 'aria-label': kindOf(item) }));
  } else if (isLarge && file) {
    made.append(h('img', { class: 'whole', alt: visible(textOf(item)), src: file, decoding: 'async' }));
  }
  if (isVideo && !isLarge) made.append(h('svg', { viewBox: '0 0 20 20', class: 'play', 'aria-hidden': 'true' }, h('path', { d: 'M6 4l10 6-10 6z' })));
  if (item.caption && isLarge) made.append(h('p', { class: 'caption', dir: 'auto' }, visible(item.caption)));
}
