/** A new status: what it says, who gets it and when, beside what a phone will show. */

import { Refusal } from '../api.js';
import { card } from '../card.js';
import { h, once } from '../dom.js';
import { draftOf, dropDraft, keepDraft } from '../drafts.js';
import { t, whyRefused } from '../i18n.js';
import { audienceField } from './audience.js';

const COLOURS = ['#0B6B4F', '#228B22', '#1E6E8C', '#28407A', '#5A3E9B', '#8C1E4B', '#B5361E', '#A3560F', '#4A4A48', '#000000'];
const FONTS = ['SANS_SERIF', 'SERIF', 'NORICAN_REGULAR', 'BRYNDAN_WRITE', 'OSWALD_HEAVY'];
const CLASSES = { SANS_SERIF: 'sans', SERIF: 'serif', NORICAN_REGULAR: 'norican', BRYNDAN_WRITE: 'bryndan', OSWALD_HEAVY: 'oswald' };
const LONGEST = { text: 500, media: 1024 };
const SHOWABLE = /^(image\/(jpeg|png|webp|gif)|video\/)/;
const MINUTE_MS = 60000;

export default function compose(context) {
  const { client, id } = context;
  const draft = draftOf(client, id) || {
    kind: 'text', text: '', colour: COLOURS[0], font: FONTS[0], file: null, when: 'now', at: '', who: 'all', chosen: [],
  };
  let address = '';

  const text = h('textarea', { id: 'text', rows: 4, dir: 'auto', value: draft.text, oninput: () => { draft.text = text.value; draw(); } });
  const label = h('span', {});
  const left = h('span', { class: 'hint count' });
  const file = h('input', { id: 'file', type: 'file', onchange: () => { draft.file = file.files[0] || null; draw(); } });
  if (draft.file) file.files = asFiles(draft.file);
  const fileField = h('label', { class: 'field' }, h('span', {}, t('file')), file);
  const textField = h('label', { class: 'field' }, label, text, left);
  const colours = group('colour', t('colour'), COLOURS, (one) => {
    const swatch = h('span', { class: 'swatch', title: one });
    swatch.style.setProperty('--ground', one);
    return [swatch, h('span', { class: 'unseen' }, one)];
  }, 'swatches');
  const fonts = group('font', t('font'), FONTS, (one) => h('span', { class: CLASSES[one] }, t(`font_${one}`)), 'fonts');
  const kinds = group('kind', t('kind'), ['text', 'media', 'voice'], (one) => h('span', {}, t(`make_${one}`)), 'segments');
  const whens = group('when', t('when'), ['now', 'later'], (one) => h('span', {}, t(`when_${one}`)), 'segments');
  const at = h('input', { id: 'at', type: 'datetime-local', value: draft.at, required: true, oninput: () => { draft.at = at.value; draw(); } });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const atField = h('label', { class: 'field' }, h('span', {}, t('atTime', { zone })), at);
  const audience = audienceField(context, draft, draw);
  const trouble = h('p', { class: 'trouble', role: 'alert' });
  const button = h('button', { class: 'primary' });
  const frame = h('div', { class: 'phone' });

  /** Radio buttons; each `draft[name]` follows its own. */
  function group(name, legend, values, inside, kind) {
    const pick = (value) => () => { draft[name] = value; draw(); };
    return h('fieldset', { class: 'group' }, h('legend', {}, legend), h('div', { class: kind }, values.map((value) => h('label', {},
      h('input', { type: 'radio', name, value, checked: draft[name] === value, onchange: pick(value) }), inside(value)))));
  }

  const isMedia = () => draft.kind === 'media';
  const length = () => [...draft.text].length;

  function draw() {
    const isText = draft.kind === 'text';
    const limit = LONGEST[draft.kind];
    textField.hidden = draft.kind === 'voice';
    fileField.hidden = isText;
    file.disabled = isText;
    file.required = !isText;
    file.accept = isMedia() ? 'image/*,video/*' : 'audio/*';
    text.required = isText;
    colours.hidden = isMedia();
    fonts.hidden = !isText;
    label.textContent = t(isText ? 'message' : 'caption');
    left.textContent = limit ? t('charactersLeft', { n: limit - length() }) : '';
    left.classList.toggle('trouble', limit < length());
    atField.hidden = draft.when === 'now';
    at.disabled = draft.when === 'now';
    at.min = local(new Date(Date.now() + MINUTE_MS));
    const { total } = audience;
    button.textContent = total === null ? t('post') : t(draft.when === 'now' ? 'postTo' : 'scheduleTo', { n: total });
    button.disabled = limit < length();
    keepDraft(client, id, draft);
    preview();
  }

  /** What a phone shows, as near as this browser's fonts allow. */
  function preview() {
    URL.revokeObjectURL(address);
    const item = {
      typeMessage: draft.kind === 'text' ? 'extendedTextMessage' : draft.kind === 'voice' ? 'audioMessage' : 'imageMessage',
      textMessage: draft.text || t('previewText'), caption: draft.text, backgroundColor: draft.colour,
      extendedTextMessage: { backgroundColor: draft.colour, font: draft.font },
    };
    const made = card(item, { isLarge: true });
    if (isMedia() && draft.file && SHOWABLE.test(draft.file.type)) {
      address = URL.createObjectURL(draft.file);
      const isVideo = draft.file.type.startsWith('video/');
      made.prepend(isVideo ? h('video', { src: address, controls: true }) : h('img', { class: 'whole', alt: '', src: address }));
    }
    frame.replaceChildren(h('span', { class: 'progress', 'aria-hidden': 'true' }), made);
  }

  async function post() {
    trouble.textContent = '';
    context.tell(t('posting'));
    let isSent = false;
    try {
      const common = { participants: audience.chosen(), sendAt: draft.when === 'now' ? undefined : Math.floor(new Date(at.value).getTime() / 1000) };
      const body = draft.kind === 'text'
        ? { ...common, message: draft.text, backgroundColor: draft.colour, font: draft.font }
        : { ...common, urlFile: await client.upload(id, draft.file), fileName: draft.file.name, caption: isMedia() ? draft.text : undefined,
          backgroundColor: isMedia() ? undefined : draft.colour };
      isSent = true;
      const method = { text: 'sendTextStatus', media: 'sendMediaStatus', voice: 'sendVoiceStatus' }[draft.kind];
      const { idMessage } = await client.post(id, method, body);
      dropDraft(client, id);
      context.go(common.sendAt ? `${id}/scheduled` : `${id}/status/${idMessage}`);
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      trouble.textContent = isSent && !fault.code ? t('maybePosted') : whyRefused(fault);
    } finally {
      context.tell('');
    }
  }

  const form = h('form', { class: 'form', onsubmit: (event) => { event.preventDefault(); once(button, post); } }, kinds, fileField, textField, colours, fonts, audience.node, whens, atField, trouble,
    h('p', { class: 'choices' }, h('a', { class: 'button', href: `#/${id}/mine` }, t('cancel')), button));
  const node = h('section', { class: 'compose' }, h('h1', {}, t('newStatus')),
    h('div', { class: 'two' }, form, h('aside', { 'aria-label': t('preview') }, frame, h('p', { class: 'hint' }, t('approximate')))));

  async function look() {
    if (audience.total === null) await audience.begin();
    if (!frame.hasChildNodes()) draw();
  }

  return { title: t('newStatus'), node, look, close: () => URL.revokeObjectURL(address) };
}

/** A file as the field for files takes it. */
function asFiles(file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  return transfer.files;
}

/** A moment as the field for times has it, in this browser's zone. */
function local(moment) {
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * MINUTE_MS);
  return shifted.toISOString().slice(0, 16);
}
