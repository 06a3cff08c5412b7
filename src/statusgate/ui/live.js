/** The live stream of the account that is shown. Its events only say "look again". */

const LOOK_MS = 2000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30000;

/**
 * Call *look* soon after something happened, at most every two seconds; closed while hidden.
 * @param {import('./api.js').Client} client
 * @param {string} id
 * @param {() => void} look
 * @param {(isOpen: boolean) => void} tell whether the stream is open
 * @returns {() => void} ends it
 */
export function live(client, id, look, tell) {
  let ended = false;
  let pause = FIRST_PAUSE_MS;
  let timer = 0;
  let waiting = 0;
  let lookedAt = 0;
  let reading = new AbortController();

  const soon = () => {
    waiting ||= setTimeout(() => {
      waiting = 0;
      lookedAt = Date.now();
      look();
    }, Math.max(100, lookedAt + LOOK_MS - Date.now()));
  };

  const read = async () => {
    if (ended || document.hidden) return;
    reading = new AbortController();
    const { signal } = reading;
    try {
      const answer = await client.fetch(`waInstance${id}/events`, { signal });
      tell(true);
      pause = FIRST_PAUSE_MS;
      soon();
      await eachEvent(answer.body, soon);
    } catch (fault) {
      if (signal.aborted || fault.isDenied || fault.code === 403) return;
      pause = Math.max(pause, (fault.retryAfter || 0) * 1000);
    }
    tell(false);
    timer = setTimeout(read, pause * (1 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  };

  const close = () => {
    clearTimeout(timer);
    reading.abort();
  };
  const turned = () => (document.hidden ? close() : read());
  document.addEventListener('visibilitychange', turned);
  read();
  return () => {
    ended = true;
    close();
    clearTimeout(waiting);
    document.removeEventListener('visibilitychange', turned);
  };
}

/** Call *happened* at each event of an event stream, until it ends. */
async function eachEvent(body, happened) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let line = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (line + value).split('\n');
    line = lines.pop().slice(0, 64);
    if (lines.some((each) => each.startsWith('event:'))) happened();
  }
}
