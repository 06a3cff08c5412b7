/** Lists that may have ten thousand rows. */

import { h } from './dom.js';

const CHUNK = 100;
const PART = 20;

/**
 * A list whose rows are made in chunks, one in a frame. A browser lays out only the parts that are near; which
 * parts are, it asks only in chunks that are near.
 * @param {string} label
 * @param {(item: any) => string} keyOf
 * @param {(item: any) => HTMLLIElement} make
 */
export function longList(label, keyOf, make) {
  const node = h('div', { class: 'viewers', role: 'list', 'aria-label': label });
  const rows = new Map();
  let frame = 0;

  /** The row of an item, made once for each thing that it says. */
  function rowOf(item) {
    const print = JSON.stringify(item);
    const known = rows.get(keyOf(item));
    if (known?.print === print) return known.row;
    const row = make(item);
    row.role = 'listitem';
    rows.set(keyOf(item), { print, row });
    return row;
  }

  /** Show these items. What is not full is the first chunk, so that newcomers at the front move nobody else. */
  function show(items) {
    cancelAnimationFrame(frame);
    const before = new Map([...node.children].map((chunk) => [chunk.last, chunk]));
    const starts = [0];
    for (let at = items.length % CHUNK || CHUNK; at < items.length; at += CHUNK) starts.push(at);
    const wanted = starts.map((start, place) => items.slice(start, starts[place + 1]));
    const chunks = wanted.map((some) => before.get(some.length && keyOf(some.at(-1))) || h('div', { class: 'long' }));
    for (const chunk of [...node.children]) if (!chunks.includes(chunk)) chunk.remove();
    chunks.forEach((chunk, place) => { if (node.children[place] !== chunk) node.insertBefore(chunk, node.children[place] || null); });
    node.hidden = !items.length;
    const next = (place) => {
      while (place < chunks.length && isFull(chunks[place], wanted[place])) place += 1;
      if (place < chunks.length) fill(chunks[place], wanted[place]);
      if (place + 1 < chunks.length) frame = requestAnimationFrame(() => next(place + 1));
    };
    next(0);
  }

  const isFull = (chunk, items) => chunk.items?.length === items.length && items.every((item, place) => chunk.items[place] === item);

  function fill(chunk, items) {
    const made = items.map(rowOf);
    for (const row of made) {
      const other = row.closest('.long');
      if (other && other !== chunk) other.items = null;
    }
    const parts = Array.from({ length: Math.ceil(made.length / PART) }, (_, place) => chunk.children[place] || h('ul', { role: 'none' }));
    if (parts.length !== chunk.children.length) chunk.replaceChildren(...parts);
    parts.forEach((part, place) => {
      const some = made.slice(place * PART, (place + 1) * PART);
      if (some.length !== part.children.length || some.some((row, at) => part.children[at] !== row)) part.replaceChildren(...some);
    });
    chunk.items = items;
    chunk.last = items.length && keyOf(items.at(-1));
  }

  return { node, show };
}
