/** One status: its card, how far it came, who viewed it and who answered. */

import { card, kindOf, textOf, whyFailed } from '../card.js';
import { curve } from '../chart.js';
import { ask } from '../dialog.js';
import { bdi, h, initials, isNew, keep, line, once, person } from '../dom.js';
import { funnel } from '../funnel.js';
import { moment, number, t } from '../i18n.js';
import { longList } from '../long.js';

const FIRST = 24;
const PAGE = 100;
const SHOWS = ['read', 'unread', 'failed'];

export default function status(context) {
  const { client, id, rest: [idMessage, author] } = context;
  const head = h('header', { class: 'head' });
  const frame = h('div', { class: 'frame' });
  const figures = h('div', { class: 'figures' });
  const below = h('div', { class: 'below' });
  const back = h('a', { class: 'back', href: `#/${id}/mine` }, t('backToStatuses'));
  const node = h('article', { class: 'status' }, back, h('div', { class: 'one' }, frame, h('div', {}, head, figures)), below);
  const view = { title: t('status'), node, look };
  let viewers = null;

  async function look() {
    const item = await client.get(id, 'getStatus', { idMessage, chatId: author });
    if (item.type === 'incoming') return drawIncoming(item);
    const isWaiting = !item.sentAt && item.sendByApi && !item.failure;
    const [report, likes, replies] = await Promise.all([
      client.get(id, 'getStatusReport', { idMessage, interval: 'minute' }),
      client.get(id, 'getStatusReactions', { idMessage }),
      client.get(id, 'getStatusReplies', { idMessage }),
    ]);
    drawHead(item, textOf(item) ? bdi(textOf(item)) : kindOf(item));
    drawFigures(item, report);
    viewers ||= people(context, idMessage);
    await viewers.look(report.counts);
    keep(below, [
      { key: 'curve', report },
      ...(isWaiting ? [] : [{ key: 'people' }]),
      { key: 'likes', likes, total: report.reactions }, { key: 'replies', replies },
      { key: 'out', out: report.fanOut },
    ], (part) => part.key, (part) => parts[part.key](part));
  }

  const parts = {
    curve: ({ report }) => section('curveTitle', curve(report), 'wide'),
    people: () => viewers.node,
    likes: ({ likes, total }) => section('likesTitle', likes.length > 0 && [tally(total), h('ul', { class: 'viewers', tabindex: 0, 'aria-label': t('likesTitle') }, likes.map(like))]),
    replies: ({ replies }) => section('repliesTitle', replies.length > 0 && h('ul', { class: 'replies', tabindex: 0, 'aria-label': t('repliesTitle') }, replies.map(reply))),
    out: ({ out }) => section('leftOut', leftOut(out)),
  };

  /** A part with its heading; nothing of it where there is nothing to show. */
  function section(title, content, kind = '') {
    return h('section', { class: kind, hidden: !content }, h('h2', {}, t(title)), content);
  }

  function drawHead(item, title) {
    view.title = textOf(item) || kindOf(item);
    const facts = item.type === 'incoming' ? [kindOf(item), moment(item.timestamp)]
      : [kindOf(item), moment(item.sendAt && !item.sentAt ? item.sendAt : item.sentAt || item.acceptedAt), t(`progress_${item.statusMessage}`)];
    if (!isNew(head, [item.statusMessage, item.sentAt, item.downloadUrl])) return;
    head.replaceChildren(h('h1', {}, title),
      h('p', { class: 'hint' }, line(...facts)));
    frame.replaceChildren(card(item, { isLarge: true }));
  }

  function drawFigures(item, report) {
    if (!isNew(figures, [item, report])) return;
    const removal = h('button', { class: 'quiet danger', onclick: () => remove(item) }, t(item.sentAt ? 'deleteForAll' : item.failure ? 'deleteIt' : 'cancelStatus'));
    figures.replaceChildren(...[
      item.failure && h('p', { class: 'trouble' }, t('failedWhy', { why: whyFailed(item.failure) })),
      !item.sentAt && item.sendAt && h('p', {}, t('scheduledFor'), ' ', moment(item.sendAt)),
      !item.failure && item.sentAt && funnel({ ...report, audience: report.audience }),
      !report.audience.complete && h('p', { class: 'hint' }, t('fromPhone')),
      h('p', { class: 'marks' }, removal)].filter(Boolean));
  }

  function remove(item) {
    const [title, text, yes] = item.sentAt ? ['deleteTitle', 'deleteText', 'deleteIt']
      : item.failure ? ['deleteTitle', 'deleteFailedText', 'deleteIt'] : ['cancelTitle', 'cancelText', 'cancelStatus'];
    ask({
      title: t(title), text: t(text), yes: t(yes), no: t('keepIt'), isHarm: true,
      act: async () => {
        await client.post(id, 'deleteStatus', { idMessage });
        context.go(`${id}/mine`);
      },
    });
  }

  function drawIncoming(item) {
    back.href = `#/${id}/people`;
    drawHead(item, person(item.chatId, item.senderContactName, item.senderName));
    if (figures.hasChildNodes()) return;
    figures.append(...[textOf(item) && h('p', { class: 'said' }, bdi(textOf(item))), h('p', { class: 'hint' }, t('notTold'))].filter(Boolean));
  }

  const tally = (total) => h('p', { class: 'tally' }, Object.entries(total.byReaction).map(([emoji, count]) => h('span', {}, emoji, ' ', number(count))));

  function like(one) {
    return h('li', {}, initials(one.contactName), h('span', { class: 'name' }, person(one.participant, one.contactName)),
      h('span', { class: 'emoji' }, one.reaction), h('span', { class: 'at' }, moment(one.timestamp)));
  }

  function reply(one) {
    return h('li', {}, h('p', {}, h('b', {}, person(one.participant, one.contactName)), ' ', h('span', { class: 'hint' }, moment(one.timestamp))),
      h('p', { dir: 'auto' }, one.textMessage ? bdi(one.textMessage) : t(`reply_${one.typeMessage}`)));
  }

  function leftOut({ skipped, refused }) {
    const row = (group, key) => h('li', {}, h('b', {}, t(key, { why: group.reason })), ' ', h('span', {}, t('people', { n: group.count })),
      h('p', { class: 'hint' }, group.participants.flatMap((one, place) => (place ? [', ', person(one)] : [person(one)]))));
    const rows = [...skipped.map((group) => row(group, `skipped_${group.reason}`)), ...refused.map((group) => row(group, 'refusedWith'))];
    return rows.length > 0 && h('ul', { class: 'left' }, rows);
  }

  return view;
}

/** The recipients by name, in three lists that load as far as one reads. */
function people({ client, id }, idMessage) {
  let show = 'read';
  let items = [];
  let next = null;
  const tabs = h('div', { class: 'segments', role: 'group', 'aria-label': t('peopleTitle') });
  const list = longList(t('peopleTitle'), (one) => one.participant, row);
  const more = h('button', { class: 'more', onclick: () => once(more, loadMore) }, t('more'));
  const nobody = h('p', { class: 'hint' });
  const node = h('section', { class: 'wide' }, h('h2', {}, t('peopleTitle')), tabs, list.node, nobody, more);
  const page = (after) => client.get(id, 'getStatusViewers', { idMessage, show, limit: after ? PAGE : FIRST, after });
  let counts = null;

  /** Read from the newest on until somebody who is as before: so is everybody after them. */
  async function look(known) {
    counts = known;
    const wanted = show;
    let fresh = [];
    let after;
    let place;
    do {
      const found = await page(after);
      if (show !== wanted) return;
      fresh = [...fresh, ...found.items];
      after = found.next;
      const print = JSON.stringify(fresh.at(-1));
      place = items.findIndex((one) => one.participant === fresh.at(-1)?.participant && JSON.stringify(one) === print);
    } while (place < 0 && after && fresh.length < items.length);
    const isFresh = new Set(fresh.map((one) => one.participant));
    const older = place < 0 ? [] : items.slice(place + 1).filter((one) => !isFresh.has(one.participant));
    if (place < 0) next = after;
    items = [...fresh, ...older];
    draw();
  }

  async function loadMore() {
    const found = await page(next);
    const known = new Set(items.map((one) => one.participant));
    items = [...items, ...found.items.filter((one) => !known.has(one.participant))];
    next = found.next;
    draw();
  }

  function draw() {
    const totals = { read: counts.read, unread: counts.pending + counts.sent + counts.delivered, failed: counts.failed };
    const shown = SHOWS.filter((each) => each !== 'failed' || totals.failed || show === 'failed');
    keep(tabs, shown.map((each) => ({ each, total: totals[each], isHere: each === show })), ({ each }) => each, ({ each, total, isHere }) => h('button', {
      'aria-pressed': String(isHere), onclick: () => { show = each; items = []; look(counts); },
    }, `${t(`show_${each}`)} ${number(total)}`));
    list.show(items);
    nobody.hidden = items.length > 0;
    nobody.textContent = items.length ? '' : t('nobodyHere');
    more.hidden = !next;
  }

  function row(one) {
    const times = one.readAt ? [[t('stepRead'), one.readAt], [t('stepDelivered'), one.deliveredAt]] : [[t('stepDelivered'), one.deliveredAt]];
    return h('li', {}, initials(one.contactName, one.name), h('span', { class: 'name' }, person(one.participant, one.contactName, one.name)),
      one.reaction && h('span', { class: 'emoji' }, one.reaction),
      h('span', { class: 'at' }, times.map(([word, when]) => when && h('span', {}, word, ' ', moment(when)))));
  }

  return { node, look };
}
