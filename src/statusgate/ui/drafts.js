/**
 * What somebody is writing, kept over a change of language or a reload of the view. It lives as long as
 * its session; over a reload of the tab only where the session does.
 */

import { kept } from './api.js';

/** By client, so that who signs in next finds nothing of it. @type {WeakMap<object, Map<string, any>>} */
const memories = new WeakMap();
const keyOf = (id) => `statusgate.draft.${id}`;

/** What is remembered of a session, as long as its page is open. @returns {Map<string, any>} */
export const memoryOf = (client) => memories.get(client) || memories.set(client, new Map()).get(client);

/** The draft of an account; null if there is none. */
export function draftOf(client, id) {
  if (memoryOf(client).has(id)) return memoryOf(client).get(id);
  try { return JSON.parse(sessionStorage.getItem(keyOf(id)) || 'null'); } catch { return null; }
}

/** Keep a draft; a file in it only until the tab is reloaded. */
export function keepDraft(client, id, draft) {
  memoryOf(client).set(id, draft);
  if (!kept()) return;
  try { sessionStorage.setItem(keyOf(id), JSON.stringify({ ...draft, file: null })); } catch { /* full: memory has it */ }
}

export function dropDraft(client, id) {
  memoryOf(client).delete(id);
  sessionStorage.removeItem(keyOf(id));
}
