/** What became of a push, in words; the words of contract 12.17. */

import { t } from './i18n.js';

/** Why a push failed, in a few words. @param {string} error @param {number | null} status of HTTP */
export const fault = (error, status) => t(`fault_${error}`, { status: String(status ?? '') });

/** What to do about it. @param {string} error */
export const advice = (error) => t(`advice_${error}`);
