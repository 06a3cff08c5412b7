/** Lists that come in pages. */

/**
 * A list whose first page is read anew while what was loaded after it stays.
 * @param {(before?: string) => Promise<{items: any[], next: string | null}>} read
 * @param {(item: any) => string} keyOf
 */
export function paged(read, keyOf) {
  let turn = 0;
  const list = { items: [], next: null, look, more, clear };

  /** Read the first page; null if the list was cleared meanwhile. */
  async function look() {
    const mine = turn;
    const found = await read();
    if (mine !== turn) return null;
    const last = found.items.at(-1);
    const place = last ? list.items.findIndex((item) => keyOf(item) === keyOf(last)) : -1;
    const older = place < 0 || !found.next ? [] : list.items.slice(place + 1);
    list.items = [...found.items, ...older];
    if (!older.length) list.next = found.next;
    return found;
  }

  /** Read the page after the last. */
  async function more() {
    const mine = turn;
    const found = await read(list.next);
    if (mine !== turn) return;
    const known = new Set(list.items.map(keyOf));
    list.items = [...list.items, ...found.items.filter((item) => !known.has(keyOf(item)))];
    list.next = found.next;
  }

  function clear() {
    turn += 1;
    list.items = [];
    list.next = null;
  }

  return list;
}
