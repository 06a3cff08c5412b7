/** Buttons that make things happen on a sandbox account, as a phone and its contacts would. */

import { h, once } from '../dom.js';
import { t } from '../i18n.js';

/** First and last names that go together. */
const NAMES = [
  [['Anna', 'Boris', 'Chiara', 'David', 'Elif'], ['Kern', 'Levi', 'Novak', 'Costa']],
  [['Игорь', 'Марина', 'Вера', 'Тимур'], ['Берг', 'Ткач', 'Мороз']],
  [['דנה', 'נועם', 'מאיה', 'רון'], ['כהן', 'פרץ', 'מזרחי']],
];
const REACTIONS = ['💚', '😍', '🔥', '👏', '😂'];
const COLOURS = ['#228B22', '#1E6E8C', '#8C1E4B', '#5A3E9B', '#B5651D'];
const NEW_PEOPLE = 20;

const any = (list) => list[Math.floor(Math.random() * list.length)];

/** Some new contacts, as events. */
export const newPeople = () => Array.from({ length: NEW_PEOPLE }, () => {
  const [firsts, lasts] = any(NAMES);
  const name = any(firsts);
  return { event: 'contact', id: `7900555${String(Math.floor(Math.random() * 10000)).padStart(4, '0')}@c.us`, name, contactName: `${name} ${any(lasts)}` };
});

/**
 * The bar of buttons.
 * @param {any} context of the view
 * @param {() => string} latest id of the status that people look at, "" if there is none
 */
export function sandboxBar(context, latest) {
  const { client, id } = context;
  const simulate = (events) => client.post(id, 'simulate', events);

  /** Somebody who got the latest status; one who has not viewed it yet, if there is one. */
  async function viewer() {
    if (!latest()) return null;
    const ask = (show) => client.get(id, 'getStatusViewers', { idMessage: latest(), show, limit: 100 });
    const { items } = await ask('unread');
    return any(items.length ? items : (await ask('read')).items)?.participant;
  }

  async function onLatest(event) {
    const participant = await viewer();
    if (!participant) return context.tell(t('sandboxNobody'));
    return simulate([{ idMessage: latest(), participant, ...event }]);
  }

  async function post() {
    const contacts = (await client.get(id, 'getContacts')).filter((one) => one.contactName);
    if (!contacts.length) return context.tell(t('sandboxNobody'));
    const type = any(['text', 'image', 'video']);
    return simulate([{ event: 'incomingStatus', from: any(contacts).id, type, text: t('sandboxSaying'), backgroundColor: any(COLOURS) }]);
  }

  async function turn() {
    const { stateInstance } = await client.get(id, 'getStateInstance');
    return simulate([{ event: 'state', state: stateInstance === 'authorized' ? 'notAuthorized' : 'authorized' }]);
  }

  const button = (key, act) => h('button', {
    onclick: ({ currentTarget }) => {
      context.tell('');
      return once(currentTarget, act);
    },
  }, t(key));

  return h('section', { class: 'sandbox' }, h('h2', {}, t('sandbox')), h('p', { class: 'hint' }, t('sandboxHint')),
    h('div', { class: 'buttons' },
      button('sandboxMeet', () => simulate(newPeople())), button('sandboxPost', post),
      button('sandboxView', () => onLatest({ event: 'receipt', status: 'read' })),
      button('sandboxLike', () => onLatest({ event: 'reaction', reaction: any(REACTIONS) })),
      button('sandboxReply', () => onLatest({ event: 'reply', text: t('sandboxAnswer') })),
      button('sandboxTurn', turn)));
}
