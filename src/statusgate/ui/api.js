/** The contract as the page calls it: the token goes into a header, never into an address. */

/** @typedef {{id: string, token: string, isAdmin: boolean}} Session */

const BASE = new URL('../', new URL('./', document.baseURI));
const KEPT = 'statusgate.session';

/** What the gateway refused, or that it cannot be reached (`code` 0). */
export class Refusal extends Error {
  /** @param {number} code @param {string} message @param {number} [retryAfter] seconds */
  constructor(code, message, retryAfter = 0) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }

  get isDenied() {
    return this.code === 401 || (this.code === 403 && this.message === 'Forbidden');
  }

  /** Whether the same may be granted later. */
  get isPassing() {
    return [0, 429, 503].includes(this.code);
  }
}

export class Client {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.onDenied = () => {};
  }

  /** Ask a GET method of an instance. */
  get(id, method, parameters = {}, options = {}) {
    const known = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null);
    const query = new URLSearchParams(known);
    return this.json(`waInstance${id}/${method}?${query}`, options);
  }

  /** Ask a POST method of an instance. */
  post(id, method, body = {}) {
    return this.json(`waInstance${id}/${method}`, { method: 'POST', body: JSON.stringify(body) });
  }

  /** Store a file; its address, for a post. */
  async upload(id, file) {
    const headers = { 'Content-Type': file.type || 'application/octet-stream', 'GA-Filename': encodeURIComponent(file.name) };
    return (await this.json(`waInstance${id}/uploadFile`, { method: 'POST', body: file, headers })).urlFile;
  }

  /** A method of the operator; its faults come as HTTP 200 with `code`. */
  async partner(method, options = {}) {
    const answer = await this.json(`partner/${method}`, options);
    if (!Array.isArray(answer) && typeof answer.code === 'number') this.refuse(answer.code, answer.description);
    return answer;
  }

  /**
   * Have a new token made, and go on with it. What was asked with the old one meanwhile ends no session.
   * @returns {Promise<string>} the new token
   */
  async renewToken(id) {
    const { onDenied } = this;
    this.onDenied = () => {};
    try {
      const { apiTokenInstance } = await this.get(id, 'updateApiToken');
      if (!this.session.isAdmin) {
        this.session.token = apiTokenInstance;
        if (kept()) keepSession(this.session);
      }
      return apiTokenInstance;
    } finally { this.onDenied = onDenied; }
  }

  async json(path, options) {
    const text = await (await this.fetch(path, options)).text();
    return text ? JSON.parse(text) : null;
  }

  /** @returns {Promise<Response>} of a 200; raises Refusal otherwise */
  async fetch(path, { headers = {}, ...options } = {}) {
    const { token } = this.session;
    const authorization = { Authorization: `Bearer ${token}` };
    let answer;
    try {
      answer = await fetch(new URL(path, BASE), {
        ...options, headers: { ...headers, ...authorization }, credentials: 'omit', cache: 'no-store', redirect: 'error',
      });
    } catch (fault) {
      if (fault.name === 'AbortError') throw fault;
      throw new Refusal(0, 'unreachable');
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    return this.refuse(answer.status, said.message || '', Number(answer.headers.get('Retry-After')) || 0, token);
  }

  refuse(code, message, retryAfter = 0, token = this.session.token) {
    const refusal = new Refusal(code, message, retryAfter);
    const isOurs = refusal.isDenied && !(code === 403 && this.session.isAdmin);
    if (isOurs && token === this.session.token) this.onDenied();
    throw refusal;
  }
}

/** Try credentials; raises Refusal if they are wrong. @param {Session} session */
export async function signIn(session) {
  const client = new Client(session);
  if (session.isAdmin) await client.partner('getInstances');
  else await client.get(session.id, 'getStateInstance');
}

/** The session this tab was asked to keep. @returns {Session | null} */
export function kept() {
  try { return JSON.parse(sessionStorage.getItem(KEPT) || 'null'); } catch { return null; }
}

/** @param {Session | null} session null: forget it, and whatever else was kept with it */
export function keepSession(session) {
  if (session) sessionStorage.setItem(KEPT, JSON.stringify(session));
  else sessionStorage.clear();
}

/** A stored file by its path on this host, whatever host the gateway calls itself or leads to; "" if it is none. */
export function fileAt(downloadUrl) {
  const path = /media\/\d+\/[0-9a-f-]{36}\.[a-z0-9]{1,10}$/.exec(downloadUrl || '');
  return path ? new URL(`${path[0]}?from=gateway`, BASE).href : '';
}
