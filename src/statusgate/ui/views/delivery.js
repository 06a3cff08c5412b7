/** What becomes of notifications: the health of the webhook, what waits, and what left the queue. */

import { Refusal } from '../api.js';
import { h, isNew, keep, line, ltr, once } from '../dom.js';
import { has, moment, number, span, t, whyRefused } from '../i18n.js';
import { paged } from '../pages.js';
import { advice, fault } from '../webhook.js';
import { accountLine } from './head.js';

const POLL_MS = 5000;
const PAGE = 50;
const SHOWS = ['waits', 'ended'];
const ANNOUNCED = ['stateWebhook', 'statusWebhook', 'statusReceiptWebhook', 'statusReactionWebhook', 'statusReplyWebhook', 'statusDeletedWebhook'];

export default function delivery(context) {
  const { client, id } = context;
  let show = 'waits';
  let failing = '';

  const of = h('p', { class: 'hint' });
  const health = h('div', { class: 'health' });
  const button = h('button', { onclick: () => once(button, test) }, t('sendTest'));
  const outcome = h('p', { class: 'outcome', role: 'status' });
  const tests = h('div', { class: 'tests' }, button, outcome);
  const waiting = h('span', {}, t('waits'));
  const tabs = h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, t('show')), SHOWS.map((each) => h('label', {},
    h('input', { type: 'radio', name: 'show', value: each, checked: each === show, onchange: () => turn(each) }),
    each === 'waits' ? waiting : h('span', {}, t(each)))));
  const list = h('ul', { class: 'queue' });
  const nobody = h('p', { class: 'hint' });
  const more = h('button', { class: 'more', onclick: () => once(more, loadMore), hidden: true }, t('more'));
  const node = h('section', { class: 'delivery' }, h('header', { class: 'head' }, h('h1', {}, t('delivery')), of),
    h('div', { class: 'panel' }, health, tests), tabs, list, nobody, more);
  const all = paged((before) => client.get(id, 'getNotifications', { ended: show === 'ended', limit: PAGE, before }), (item) => String(item.receiptId));

  async function look() {
    const [account, settings, found] = await Promise.all([client.get(id, 'getInstanceStatus'), client.get(id, 'getSettings'), all.look()]);
    of.replaceChildren(...accountLine(account));
    drawHealth(account, settings);
    waiting.textContent = `${t('waits')} ${number(account.notifications.waiting)}`;
    if (found) draw();
  }

  function drawHealth({ webhook, notifications }, settings) {
    const isSilent = ANNOUNCED.every((each) => settings[each] === 'no');
    if (!isNew(health, [webhook, notifications, settings.webhookUrl, isSilent])) return;
    tests.hidden = !webhook.set;
    failing = webhook.failingSince ? webhook.lastError : '';
    const [kind, title, text] = stateOf(webhook);
    const fact = (key, value) => value && h('div', {}, h('dt', {}, t(key)), h('dd', {}, value));
    const toSettings = h('a', { class: 'button primary', href: `#/${id}/settings` }, t('toWebhookSettings'));
    health.replaceChildren(...[
      h('h2', { class: `state ${kind}` }, title),
      h('p', {}, text),
      isSilent && h('p', {}, t('nothingAnnounced')),
      h('dl', { class: 'facts' },
        fact('receiver', webhook.set && ltr(originOf(settings.webhookUrl))),
        fact('failingSince', webhook.failingSince && moment(webhook.failingSince)),
        fact('nextAttempt', webhook.failingSince && webhook.nextAttemptAt && moment(webhook.nextAttemptAt)),
        fact('oldestWaits', notifications.oldestAt && moment(notifications.oldestAt))),
      (!webhook.set || isSilent || webhook.failingSince) && h('p', {}, toSettings)].filter(Boolean));
  }

  /** How the webhook is: a kind, a title and what it means. */
  function stateOf({ set, failingSince, lastStatus, lastError }) {
    if (!set) return ['idle', t('noWebhook'), t('noWebhookText')];
    if (failingSince) return ['bad', fault(lastError || 'failed', lastStatus), advice(lastError || 'failed')];
    if (lastStatus && !lastError) return ['well', t('webhookWorks'), t('webhookWorksText')];
    return ['idle', t('notTried'), t('notTriedText')];
  }

  async function test() {
    outcome.className = 'outcome';
    outcome.textContent = t('testing');
    try {
      const { status, seconds, error } = await client.post(id, 'testWebhook');
      outcome.classList.add(error ? 'trouble' : 'fine');
      outcome.replaceChildren(...(error ? [h('b', {}, fault(error, status)), ' ', error !== failing && advice(error)].filter(Boolean)
        : [t('testArrived', { status: String(status), time: span(seconds) })]));
      await context.look();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      outcome.textContent = whyRefused(refusal);
      await new Promise((over) => { setTimeout(over, refusal.retryAfter * 1000); });
    }
  }

  async function turn(other) {
    show = other;
    all.clear();
    list.replaceChildren();
    nobody.textContent = '';
    more.hidden = true;
    await context.look();
  }

  async function loadMore() {
    await all.more();
    draw();
  }

  function draw() {
    keep(list, all.items, (item) => String(item.receiptId), row);
    more.hidden = !all.next;
    nobody.textContent = all.items.length ? '' : t(`none_${show}`);
  }

  function row({ typeWebhook, createdAt, end, endedAt, attempts, last }) {
    const tries = attempts > 0 && t('attempts', { n: attempts });
    const result = end
      ? [h('span', { class: end === 'delivered' ? '' : 'trouble' }, t(end === 'delivered' && !attempts ? 'end_taken' : `end_${end}`)),
        h('span', { class: 'hint' }, line(moment(endedAt), attempts > 1 && tries, last?.seconds && !last.error && span(last.seconds)))]
      : [h('span', { class: last?.error ? 'trouble' : 'hint' }, last?.error ? fault(last.error, last.status) : t('notTriedYet')),
        tries && h('span', { class: 'hint' }, line(tries, last && moment(last.at)))];
    return h('li', {},
      h('span', { class: 'told' }, h('span', { class: 'text' }, has(`type_${typeWebhook}`) ? t(`type_${typeWebhook}`) : typeWebhook),
        h('span', { class: 'hint' }, line(ltr(typeWebhook), moment(createdAt)))),
      h('span', { class: 'result' }, result));
  }

  return { title: t('delivery'), node, look, every: POLL_MS };
}

/** Scheme and host of an address: what follows them may be a secret. */
function originOf(address) {
  try { return new URL(address).origin; } catch { return ''; }
}
