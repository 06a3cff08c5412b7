/** Which account a page is about. */

import { bdi, line, ltr, phone } from '../dom.js';
import { t } from '../i18n.js';

/** Name, number and id of an account, as far as there are. @param {any} account of getInstanceStatus */
export const accountLine = ({ idInstance, name, phone: digits, engine }) =>
  line(name && bdi(name), digits ? ltr(phone(digits)) : ltr(String(idInstance)), engine === 'simulated' && t('sandbox'));
