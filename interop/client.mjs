// Another WhatsApp client in a process of its own, driven by JSON lines as raw_engine.py is.
// Requests on stdin: {"id": 1, "op": "post_text", "p": {...}}; answers and events on stdout.
import { createInterface } from 'node:readline'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { ProxyAgent, setGlobalDispatcher } from 'undici'
import pino from 'pino'
import {
  makeWASocket, useMultiFileAuthState, downloadMediaMessage, proto
} from 'baileys'
import { WA_CERT_DETAILS } from 'baileys/lib/Defaults/index.js'

const STATUSES = 'status@broadcast'
const { FAKE_PROXY, FAKE_STORE, STATUSGATE_TEST_ROOT_KEY } = process.env
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(STATUSGATE_TEST_ROOT_KEY, 'hex')
setGlobalDispatcher(new ProxyAgent(FAKE_PROXY)) // downloads use fetch

console.log = console.info = console.error // its libraries print; standard output is ours
const say = line => process.stdout.write(JSON.stringify(line) + '\n')
const event = (name, data) => say({ event: name, data })
const plain = message => proto.Message.toObject(message, { bytes: String, longs: Number })
const logger = pino({ level: process.env.BAILEYS_LOG || 'warn' }, pino.destination(2))

class Client {
  sent = new Map() // for retries, as an application would keep them
  received = new Map()

  async connect() {
    const { state, saveCreds } = await useMultiFileAuthState(FAKE_STORE)
    const agent = new HttpsProxyAgent(FAKE_PROXY)
    this.socket = makeWASocket({
      auth: state, logger, agent, fetchAgent: agent,
      markOnlineOnConnect: false, syncFullHistory: false,
      shouldSyncHistoryMessage: () => false, // or it would wait 20 s for a history at first
      getMessage: async key => this.sent.get(key.id)
    })
    const on = (name, handle) => this.socket.ev.on(name, handle)
    on('creds.update', saveCreds)
    on('connection.update', update => this.changed(update))
    on('messages.upsert', ({ messages }) => messages.forEach(one => this.took(one)))
    on('message-receipt.update', updates => updates.forEach(({ key, receipt }) =>
      event('Receipt', { id: key.id, viewer: receipt.userJid, ...receipt })))
    on('contacts.upsert', contacts => contacts.forEach(one => event('Contact', one)))
  }

  changed({ qr, connection, lastDisconnect }) {
    if (qr) event('QR', qr)
    if (connection === 'open') event('ConnectedEv', {})
    if (connection !== 'close' || this.stopping) return
    event('DisconnectedEv', { reason: String(lastDisconnect?.error) })
    this.connect()
  }

  took(one) {
    this.received.set(one.key.id, one)
    event('MessageEv', {
      id: one.key.id, from_me: one.key.fromMe, author: one.key.participant ?? '',
      stub: one.messageStubParameters ?? [], message: one.message ? plain(one.message) : null
    })
  }

  async post(content, options, people) {
    const posted = await this.socket.sendMessage(STATUSES, content,
      { ...options, statusJidList: people })
    this.sent.set(posted.key.id, posted.message)
    return { id: posted.key.id }
  }

  post_text({ text, background, font, people }) {
    return this.post({ text }, { backgroundColor: background, font }, people)
  }

  post_image({ data, caption, people }) {
    const image = Buffer.from(data, 'base64')
    return this.post({ image, caption, mimetype: 'image/jpeg', jpegThumbnail: '' }, {}, people)
  }

  post_video({ data, caption, seconds, people, note = false }) {
    const video = Buffer.from(data, 'base64')
    return this.post({ video, caption, seconds, ptv: note, jpegThumbnail: '' }, {}, people)
  }

  post_voice({ data, seconds, background, people }) {
    const audio = Buffer.from(data, 'base64')
    return this.post({ audio, seconds, ptt: true, mimetype: 'audio/ogg; codecs=opus' },
      { backgroundColor: background }, people)
  }

  /** As the account's phone: give its companions the key of the address book. */
  async share_app_state_key({ user, key_id, key }) {
    const shared = {
      keyId: { keyId: Buffer.from(key_id, 'hex') },
      keyData: {
        keyData: Buffer.from(key, 'hex'),
        fingerprint: { rawId: 1 },
        timestamp: 1_700_000_000_000
      }
    }
    const type = proto.Message.ProtocolMessage.Type.APP_STATE_SYNC_KEY_SHARE
    const protocolMessage = { type, appStateSyncKeyShare: { keys: [shared] } }
    await this.socket.relayMessage(`${user}@s.whatsapp.net`, { protocolMessage }, {})
  }

  async revoke({ id, people }) {
    const key = { remoteJid: STATUSES, fromMe: true, id }
    return this.post({ delete: key }, {}, people)
  }

  /** Withdraw a status in the name of its author, which nobody but the author may. */
  async forge_revoke({ id, author, people }) {
    const key = { remoteJid: STATUSES, fromMe: false, id, participant: author }
    return this.post({ delete: key }, {}, people)
  }

  async react({ id, author, emoji, people }) {
    const key = { remoteJid: STATUSES, fromMe: false, id, participant: author }
    return this.post({ react: { key, text: emoji } }, {}, people)
  }

  write({ text, people: [person] }) {
    return this.reply({ text, people: [person] })
  }

  /** Write to a person alone; `id`: the status of theirs that is quoted. */
  async reply({ id, text, people: [person] }) {
    const quoted = this.received.get(id)
    const written = await this.socket.sendMessage(person, { text }, { quoted })
    this.sent.set(written.key.id, written.message)
    return { id: written.key.id }
  }

  async view({ ids, type = 'read' }) {
    const { key } = this.received.get(ids[0])
    await this.socket.sendReceipt(STATUSES, key.participant, ids, type)
  }

  async download({ id }) {
    const data = await downloadMediaMessage(this.received.get(id), 'buffer', {},
      { logger, reuploadRequest: this.socket.updateMediaMessage })
    return data.toString('base64')
  }

  async stop() {
    this.stopping = true
    await this.socket?.end()
  }
}

const client = new Client()
for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, p } = JSON.parse(line)
  Promise.resolve().then(() => client[op](p)).then(
    ok => say({ id, ok: ok ?? null }),
    error => say({ id, error: String(error?.stack ?? error) }))
}
process.exit(0)
