/** What is wrong with an account, for the lists and the strip that say so. */

import { t } from '../i18n.js';
import { fault } from '../webhook.js';

/**
 * @typedef {{rank: number, text: string, why?: string, since?: number, to?: string, action?: string}} Ailment
 *   *to* the view that helps, *action* the name of its link
 */

/** What is wrong with an account, the worst first; null: nothing. @returns {Ailment | null} */
export function ailment({ stateInstance: state, stateSince: since, statusInstance, phone, webhook }) {
  const link = { to: 'link', action: t('linkPhone') };
  if (state === 'blocked' || state === 'suspended') return { rank: 5, text: t(`state_${state}`), since, to: 'link', action: t('whatNow') };
  if (state === 'notAuthorized') return phone ? { rank: 4, text: t('unlinked'), since, ...link } : { rank: 2, text: t('neverLinked'), ...link };
  if (state === 'starting') return { rank: 1, text: t('state_starting'), since };
  if (statusInstance === 'offline') return { rank: 4, text: t('offlineNow') };
  if (!webhook.failingSince) return null;
  const why = webhook.lastError && fault(webhook.lastError, webhook.lastStatus);
  return { rank: 3, text: t('webhookFails'), why, since: webhook.failingSince, to: 'delivery', action: t('whatNow') };
}
