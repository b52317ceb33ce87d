/* Live: server-sent events. A stream ends after some seconds, so that no service waits for a tab before it ends. The browser
 * connects again by itself after that, and after most failures, and resumes by the last id; where it gives up, or where a
 * connection is silent though open, this does. A tab that is not seen holds no connection, of which a browser has six to one
 * server: it reads on when it is seen again. */

/** `attempts`: since the last sample that could be used. What answers, and gives none, is not asked faster for it. */
const link = { source: null, heard: 0, attempts: 0, away: null, polls: false, timer: 0 };
/** A row comes every second, without one a state every five. A connection that is made anew at once is not worth a word. */
const SILENT = 10_000, UNHEARD = 4_000, BACKOFF = [1, 2, 4, 8, 15];

async function fetchSnapshot() {
  clearTimeout(link.timer);
  link.source?.close();
  try {
    const answer = await fetch("api/snapshot", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) {
      away(`it answered ${answer.status}`, answer.status);
      return retry(fetchSnapshot);
    }
    load(await answer.json());
  } catch (error) {
    away(error.message);
    return retry(fetchSnapshot);
  }
  back();
  if (!document.hidden) connect();
  all();
}

function connect() {
  clearTimeout(link.timer);
  link.source?.close();
  const source = link.source = new EventSource(`api/live?after=${store.seq}`);
  const heard = (handle) => (message) => {
    const seq = Number(message.lastEventId);
    if (message.lastEventId && known(seq)) {
      if (seq <= store.seq) return;
      store.seq = seq;
    }
    handle(JSON.parse(message.data));
    back();
  };
  let open = false;
  source.onopen = () => { open = true; back(); };
  source.onerror = () => {
    // The end of a stream that was open is none of the service; that it cannot be opened again may be.
    if (source.readyState === EventSource.CLOSED) return refused();
    if (!open) away();
    open = false;
  };
  source.addEventListener("sample", heard(({ row, state }) => {
    // Another process answers at this address now: nothing of the old one's is its.
    if (who(state) !== who(store.state)) return anew();
    link.attempts = 0;
    link.polls = false;
    // No row where the agent took no sample: only the verdict is new.
    if (row) follow(append(row));
    store.state = state;
    numbers();
    // Six hours need no drawing each second: nothing moves by a pixel.
    const [min, max] = range();
    if (newest() - drawn >= Math.min(SELDOM, (max - min) / 1000)) draw();
  }));
  source.addEventListener("event", heard((event) => {
    store.events = [...store.events, event].slice(-EVENTS);
    happened();
    draw();
  }));
  source.addEventListener("reset", anew);
}

/** A stream that a browser gives up was answered by something else. Where too many follow already, snapshots do as well. */
async function refused() {
  const answer = await fetch(`api/live?after=${store.seq}`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
  answer?.body?.cancel();
  link.polls = answer?.status === 503;
  if (!link.polls) away(answer && !answer.ok ? `it answered ${answer.status}` : undefined, answer?.status);
  numbers();
  retry(fetchSnapshot);
}

/** Begins anew: at once, and where that did not lead to a sample, not at once again. */
function anew() {
  link.source.close();
  if (link.attempts > 0) return retry(fetchSnapshot);
  link.attempts = 1;
  fetchSnapshot();
}

function retry(how) {
  clearTimeout(link.timer);
  if (document.hidden) return;
  const wait = BACKOFF[Math.min(link.attempts++, BACKOFF.length - 1)];
  link.timer = setTimeout(how, wait * 1000);
}

/** `status`: of one that answers, and does not give what was asked for. */
function away(why, status) {
  link.away = { why, status };
  numbers();
}

function back() {
  link.heard = performance.now();
  if (!link.away) return;
  link.away = null;
  numbers();
}

/** Goes when the tab is hidden, and comes back where it was when it is seen. */
function onVisibility() {
  if (document.hidden) {
    clearTimeout(link.timer);
    link.source?.close();
    return;
  }
  if (link.away) return fetchSnapshot();
  link.heard = performance.now();
  connect();
}

function watchOver() {
  if (document.hidden) return;
  if (link.away) return numbers();
  if (link.source && !link.polls && performance.now() - link.heard > SILENT) {
    away();
    retry(fetchSnapshot);
  }
}
