/** The first screen of an account: its state, its latest status, and three lists. */

import { card, kindOf, textOf, whyFailed } from '../card.js';
import { bdi, h, initials, isNew, keep, ltr, once, person, phone } from '../dom.js';
import { funnel } from '../funnel.js';
import { moment, number, percent, t } from '../i18n.js';
import { paged } from '../pages.js';
import { ailment } from './ailment.js';
import { sandboxBar } from './sandbox.js';

const LISTS = { mine: 'outgoing', people: 'incoming', scheduled: 'queued' };
const PAGE = 30;
const VIEWERS = 6;
const keyOf = (item) => `${item.chatId} ${item.idMessage}`;

export default function statuses(context) {
  const { client, id } = context;
  let name = context.name;
  let newest = '';
  let isUnlinked = false;

  const strip = h('div', { class: 'strip' });
  const tabs = Object.keys(LISTS).map((each) => h('a', { href: `#/${id}/${each}` }, t(`list_${each}`)));
  const hero = h('section', { class: 'hero', 'aria-label': t('latest') });
  const list = h('ul', {});
  const more = h('button', { class: 'more', onclick: () => once(more, loadMore), hidden: true }, t('more'));
  const nothing = h('div', { class: 'empty', hidden: true });
  const sandbox = h('div', {});
  const node = h('div', { class: 'statuses' }, h('h1', { class: 'unseen' }, t('statuses')), strip, h('nav', { class: 'tabs', 'aria-label': t('lists') }, tabs), hero, list, more, nothing, sandbox);

  const all = paged((before) => client.get(id, 'getStatuses', { type: LISTS[name], limit: PAGE, before }), keyOf);

  async function look() {
    const [account, found] = await Promise.all([client.get(id, 'getInstanceStatus'), all.look()]);
    if (!found) return;
    drawStrip(account);
    if (account.engine === 'simulated' && !sandbox.hasChildNodes()) sandbox.append(sandboxBar(context, () => newest));
    await drawHero();
    draw();
  }

  async function loadMore() {
    await all.more();
    draw();
  }

  async function turn(other) {
    if (other === name) return;
    name = other;
    all.clear();
    await look();
  }

  function drawStrip(account) {
    const { queue, phone: digits } = account;
    const ill = ailment(account);
    const waits = queue.waiting + queue.scheduled;
    isUnlinked = account.stateInstance === 'notAuthorized';
    if (!isNew(strip, [ill, digits, account.name, waits])) return;
    strip.replaceChildren(...[
      h('span', { class: `state ${ill ? 'ill' : 'well'}` }, ill?.text || t('online'), ill?.since ? h('span', { class: 'hint' }, moment(ill.since)) : ''),
      account.name && h('span', {}, bdi(account.name)),
      h('span', {}, digits ? ltr(phone(digits)) : ltr(id)),
      waits > 0 && h('span', {}, t('waiting', { n: waits })),
      h('span', { class: 'grow' }),
      ill?.to && h('a', { class: `button ${isUnlinked ? 'primary' : ''}`, href: `#/${id}/${ill.to}` }, ill.action),
      h('a', { class: `button ${isUnlinked ? '' : 'primary'}`, href: `#/${id}/new` }, t('newStatus'))].filter(Boolean));
  }

  async function drawHero() {
    const item = name === 'mine' ? all.items[0] : null;
    if (item) newest = item.idMessage;
    hero.hidden = !item;
    if (!item) return;
    const viewers = await client.get(id, 'getStatusViewers', { idMessage: item.idMessage, show: 'read', limit: VIEWERS });
    if (!isNew(hero, [item, viewers.items])) return;
    const isSame = hero.dataset.of === keyOf(item);
    hero.dataset.of = keyOf(item);
    const figures = h('div', { class: 'figures' }, heading(item), item.failure ? failure(item) : funnel(item), marks(item));
    const people = h('div', { class: 'lately' }, h('h3', {}, t('lastViewers')),
      viewers.items.length ? h('ul', { class: 'viewers' }, viewers.items.map(viewer)) : h('p', { class: 'hint' }, t('nobodyYet')));
    if (isSame) hero.replaceChildren(hero.firstChild, figures, people);
    else hero.replaceChildren(h('a', { class: 'frame', href: addressOf(item), 'aria-label': t('open') }, card(item)), figures, people);
  }

  const addressOf = (item) => {
    const author = item.type === 'incoming' ? `/${encodeURIComponent(item.chatId)}` : '';
    return `#/${id}/status/${encodeURIComponent(item.idMessage)}${author}`;
  };

  function heading(item) {
    return h('header', {},
      h('p', { class: 'over' }, t('latest')),
      h('h2', {}, h('a', { href: addressOf(item) }, textOf(item) ? bdi(textOf(item)) : kindOf(item))),
      h('p', { class: 'hint' }, kindOf(item), ' · ', moment(item.sentAt || item.acceptedAt), ' · ', progress(item)));
  }

  const progress = (item) => t(`progress_${item.statusMessage}`);
  const failure = (item) => h('p', { class: 'trouble' }, t('failedWhy', { why: whyFailed(item.failure) }));
  const marks = (item) => h('p', { class: 'marks' },
    h('span', {}, t('likes', { n: item.reactions })), h('span', {}, t('replies', { n: item.replies })));

  function viewer(one) {
    return h('li', {},
      initials(one.contactName, one.name),
      h('span', { class: 'name' }, person(one.participant, one.contactName, one.name)),
      one.reaction && h('span', { class: 'emoji' }, one.reaction),
      h('span', { class: 'at' }, moment(one.readAt)));
  }

  function draw() {
    const rest = name === 'mine' ? all.items.slice(1) : all.items;
    list.className = name === 'people' ? 'wall' : 'rows';
    keep(list, rest, keyOf, name === 'people' ? tile : name === 'mine' ? ownRow : waitingRow);
    more.hidden = !all.next;
    nothing.hidden = all.items.length > 0;
    if (isNew(nothing, [name, isUnlinked])) nothing.replaceChildren(...empty());
    tabs.forEach((each) => each.setAttribute('aria-current', each.hash.endsWith(`/${name}`) ? 'page' : 'false'));
  }

  function empty() {
    if (isUnlinked) {
      return [h('h2', {}, t('state_notAuthorized')), h('p', {}, t('emptyText_unlinked')),
        h('p', {}, h('a', { class: 'button primary', href: `#/${id}/link` }, t('linkPhone')))];
    }
    return [h('h2', {}, t(`empty_${name}`)), h('p', {}, t(`emptyText_${name}`)),
      name !== 'people' && h('p', {}, h('a', { class: 'button primary', href: `#/${id}/new` }, t('newStatus')))].filter(Boolean);
  }

  function ownRow(item) {
    const { read } = item.reached;
    const whole = item.audience.complete ? (item.audience.resolved ?? item.counts.total) : 0;
    const result = item.failure
      ? h('span', { class: 'trouble' }, t('progress_failed'))
      : h('span', { class: 'seen' }, h('b', {}, number(read)), ' ', h('span', {}, t('seenBy', { n: read })));
    return h('li', {}, h('a', { href: addressOf(item) },
      card(item),
      h('span', { class: 'told' },
        h('span', { class: 'text' }, textOf(item) ? bdi(textOf(item)) : kindOf(item)),
        h('span', { class: 'hint' }, kindOf(item), ' · ', moment(item.sentAt || item.acceptedAt))),
      h('span', { class: 'result' }, result,
        h('span', { class: 'hint' }, item.failure ? whyFailed(item.failure) : [
          whole ? t('ofAudience', { share: percent(read, whole) }) : '',
          item.reactions ? t('likes', { n: item.reactions }) : '',
          item.replies ? t('replies', { n: item.replies }) : '',
        ].filter((part) => part).join(' · ')))));
  }

  function waitingRow(item) {
    const at = item.sendAt && item.sendAt * 1000 > Date.now();
    return h('li', {}, h('a', { href: addressOf(item) },
      card(item),
      h('span', { class: 'told' },
        h('span', { class: 'text' }, textOf(item) ? bdi(textOf(item)) : kindOf(item)),
        h('span', { class: 'hint' }, kindOf(item))),
      h('span', { class: 'result' },
        h('span', { class: 'seen' }, at ? moment(item.sendAt) : t('next')),
        h('span', { class: 'hint' }, audience(item)))));
  }

  function audience(item) {
    const { requested } = item.audience;
    return requested === null || requested === undefined ? t('toContacts') : t('toPeople', { n: requested });
  }

  function tile(item) {
    const author = person(item.chatId, item.senderContactName, item.senderName);
    return h('li', {}, h('a', { href: addressOf(item) }, card(item),
      h('span', { class: 'name' }, author), h('span', { class: 'hint' }, moment(item.timestamp))));
  }

  return { title: t('statuses'), node, look, turn };
}
