/** What is wrong with an account, for the lists and the strip that say so. */

/** What is wrong with an account, the worst first; null: nothing. @returns {[number, string, number?] | null} */
export function ailment(one) {
  if (one.stateInstance === 'blocked' || one.stateInstance === 'suspended') return [5, `state_${one.stateInstance}`, one.stateSince];
  if (one.stateInstance === 'notAuthorized') return one.phone ? [4, 'unlinked', one.stateSince] : [2, 'neverLinked'];
  if (one.stateInstance === 'starting') return [1, 'state_starting', one.stateSince];
  if (one.statusInstance === 'offline') return [4, 'offlineNow'];
  if (one.webhook.failingSince) return [3, 'webhookFails', one.webhook.failingSince];
  return null;
}
