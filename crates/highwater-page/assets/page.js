/* The page: keeps the numbers, says what they mean, draws them.
 *
 * One direction, as in the agent: data comes in (snapshot, then live), is kept in one store, and everything on the page is
 * derived from the store. Nothing the server says becomes markup: text goes in as text. What is unknown is absent here too:
 * never 0, never a dash that could be read as a number.
 *
 * Sections: data, text, elements, verdict and numbers, charts, marks, what happened, cards, keyboard, start.
 */
"use strict";
(() => {

// ---- Data -----------------------------------------------------------------------------------------------------------

const COLUMNS = ["used", "limit", "rss", "allocated", "resident", "external", "level", "pressure_some", "pressure_full",
  "part_heap", "part_allocator", "part_external", "part_anon", "part_file", "part_shmem", "part_kernel", "part_others",
  "whole"];
/** As the server keeps them: each row for 15 minutes, then one in 10 seconds for 6 hours; and 128 events. */
const FINE = 15 * 60, COARSE = 10, KEPT = 6 * 3600, EVENTS = 128;
/** Further apart than this, two rows are not joined by a line: nobody looked between them. */
const GAP = 30;

/** `start`: when the agent started, by the service's clock as it is set now. */
const store = { time: [], columns: {}, events: [], state: {}, seq: 0, thinned: 0, start: undefined };

const known = Number.isFinite;
const newest = () => store.time.at(-1);

function load(snapshot) {
  const { start, state: before } = store;
  store.time = [];
  store.thinned = 0;
  for (const name of COLUMNS) store.columns[name] = [];
  const history = snapshot.history ?? {};
  (history.time ?? []).forEach((time, index) => append({ time }, (name) => history[name]?.[index]));
  store.events = (snapshot.events ?? []).slice(-EVENTS);
  store.state = snapshot.state ?? {};
  store.seq = snapshot.seq ?? 0;
  store.start = snapshot.start;
  if (before.verdict && who(before) !== who(store.state)) forget();
  // The clock was set: the rows have other dates.
  else if (known(store.start - start)) follow(store.start - start, []);
}

/** Which process it is: an instance's id may be that of the place where it runs, and a number be given again. */
const who = ({ service = {} }) => [service.instance, service.started, service.pid].join();

/** Another process answers: what was chosen in the time of the one before is not its. */
function forget() {
  const chosen = marks.a || marks.b || view.zoom || view.paused !== null;
  marks.a = marks.b = view.zoom = view.paused = view.cursor = view.touched = null;
  $("pause").setAttribute("aria-pressed", false);
  $("markdown").hidden = true;
  tell(`The service has started again${chosen ? ": marks, pause and zoom are gone" : ""}`);
}

/** Appends a row; returns by how many seconds all rows before went back for it. */
function append(row, value = (name) => row[name]) {
  if (!known(row.time)) return 0;
  // The wall clock was set back. Charts need time that rises, so that what came before moves back with it.
  const back = newest() >= row.time ? row.time - newest() - 1 : 0;
  if (back) {
    store.time = store.time.map((time) => time + back);
    store.thinned += back;
  }
  store.time.push(row.time);
  for (const name of COLUMNS) {
    const number = value(name);
    store.columns[name].push(known(number) ? number : null);
  }
  if (row.time - store.thinned > 60) thin(row.time);
  return back;
}

/** What stands at a time of its own goes with the rows. */
function follow(by, events = store.events) {
  for (const placed of [...events, marks.a, marks.b]) if (placed) placed.time += by;
  for (const key of ["paused", "cursor", "touched"]) if (view[key] !== null) view[key] += by;
  view.zoom &&= view.zoom.map((time) => time + by);
}

/** Of the rows that are no longer fine, the one with the highest use in each 10 seconds is kept: peaks stay. */
function thin(now) {
  store.thinned = now;
  const { used } = store.columns;
  const keep = [];
  let bucket;
  store.time.forEach((time, index) => {
    if (time < now - KEPT) return;
    const own = time < now - FINE ? Math.floor(time / COARSE) : NaN;
    if (own !== bucket) keep.push(index);
    else if ((used[index] ?? -1) > (used[keep.at(-1)] ?? -1)) keep[keep.length - 1] = index;
    bucket = own;
  });
  if (keep.length === store.time.length) return;
  store.time = keep.map((index) => store.time[index]);
  for (const name of COLUMNS) {
    const column = store.columns[name];
    store.columns[name] = keep.map((index) => column[index]);
  }
}

/** The index of the first row that is not before `time`. */
function indexOf(time) {
  let low = 0, high = store.time.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (store.time[middle] < time) low = middle + 1; else high = middle;
  }
  return low;
}

/** All columns from `min` to `max` and one row beyond, so that lines run to the edge; with a hole where nobody looked. */
function shown(min, max) {
  const from = Math.max(0, indexOf(min) - 1), to = Math.min(store.time.length, indexOf(max) + 1);
  const cut = { time: [] };
  for (const name of COLUMNS) cut[name] = [];
  for (let index = from; index < to; index++) {
    const time = store.time[index], before = cut.time.at(-1);
    if (time - before > GAP) {
      cut.time.push(before + 1);
      for (const name of COLUMNS) cut[name].push(null);
    }
    cut.time.push(time);
    for (const name of COLUMNS) cut[name].push(store.columns[name][index]);
  }
  return cut;
}

/** The row nearest to `time`, by name; what is unknown is not in it. */
function rowAt(time) {
  const after = Math.min(indexOf(time), store.time.length - 1);
  const index = after > 0 && time - store.time[after - 1] < store.time[after] - time ? after - 1 : after;
  const row = { time: store.time[index] };
  for (const name of COLUMNS) if (store.columns[name][index] !== null) row[name] = store.columns[name][index];
  return row;
}

// Live: server-sent events. A stream ends after some seconds, so that no service waits for a tab before it ends. The browser
// connects again by itself after that, and after most failures, and resumes by the last id; where it gives up, or where a
// connection is silent though open, this does. A tab that is not seen holds no connection, of which a browser has six to one
// server: it reads on when it is seen again.

/** `attempts`: since the last sample that could be used. What answers, and gives none, is not asked faster for it. */
const link = { source: null, heard: 0, attempts: 0, away: null, timer: 0 };
/** A row comes every second, without one a state every five. A connection that is made anew at once is not worth a word. */
const SILENT = 10_000, UNHEARD = 4_000, BACKOFF = [1, 2, 4, 8, 15];

async function fetchSnapshot() {
  clearTimeout(link.timer);
  link.source?.close();
  try {
    const answer = await fetch("api/snapshot", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
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
    if (!open || source.readyState === EventSource.CLOSED) away();
    open = false;
    if (source.readyState === EventSource.CLOSED) retry(fetchSnapshot);
  };
  source.addEventListener("sample", heard(({ row, state }) => {
    // Another process answers at this address now: nothing of the old one's is its.
    if (who(state) !== who(store.state)) return anew();
    link.attempts = 0;
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

function away(why) {
  link.away = { why };
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
  if (link.source && performance.now() - link.heard > SILENT) {
    away();
    retry(fetchSnapshot);
  }
}

// ---- Text -----------------------------------------------------------------------------------------------------------

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes as its digits and its unit. */
function scaled(number) {
  let value = Math.abs(number), unit = 0;
  while (value >= 1023.5 && unit < UNITS.length - 1) { value /= 1024; unit++; }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return [(number < 0 ? "−" : "") + value.toFixed(digits), UNITS[unit]];
}
// Each of these gives nothing for what is unknown.
const bytes = (number) => (known(number) ? scaled(number).join("\u00a0") : undefined);
const change = (number) => (known(number) ? (number > 0 ? "+" : "") + (number === 0 ? "unchanged" : bytes(number)) : undefined);
const percent = (share, digits) => {
  if (!known(share)) return undefined;
  const value = share * 100;
  if (digits === undefined && value > 0 && value < 0.05) return "<0.1\u00a0%";
  return `${value.toFixed(digits ?? (value !== 0 && Math.abs(value) < 9.95 ? 1 : 0))}\u00a0%`;
};
const rate = (perSecond) => {
  if (!known(perSecond)) return undefined;
  return Math.abs(perSecond) < 1 << 20 ? `${change(Math.round(perSecond * 3600))} an hour` : `${change(perSecond)} a second`;
};
const count = (number) => (known(number) ? number.toLocaleString("en").replaceAll(",", "\u202f") : undefined);

function duration(seconds) {
  if (!known(seconds)) return undefined;
  const whole = Math.max(0, Math.round(seconds));
  const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]
    .map(([unit, size], index, all) => [unit, Math.floor((index ? whole % all[index - 1][1] : whole) / size)]);
  const first = parts.findIndex(([, value]) => value > 0);
  if (first < 0) return "0\u00a0s";
  return parts.slice(first, first + 2).filter(([, value]) => value > 0).map(([unit, value]) => `${value}\u00a0${unit}`).join(" ");
}

const short = (seconds) => {
  if (!known(seconds)) return undefined;
  return seconds < 1e-3 ? `${(seconds * 1e6).toFixed(0)}\u00a0µs` : `${(seconds * 1e3).toFixed(1)}\u00a0ms`;
};

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const clock = (time) => (known(time) ? CLOCK.format(time * 1000) : undefined);
/** With the day, where that is not the newest row's. */
const moment = (time) => {
  if (!known(time)) return undefined;
  const day = DAY.format(time * 1000);
  return day === DAY.format((store.state.time ?? time) * 1000) ? clock(time) : `${day} ${clock(time)}`;
};
const ago = (time) => {
  const now = store.state.time ?? newest();
  return known(time) && known(now) ? `${duration(now - time)} ago` : undefined;
};
const joined = (...parts) => parts.filter(Boolean).join(" · ") || undefined;
/** A text with words around it, where there is one. */
const put = (before, text, after = "") => (text === undefined ? undefined : `${before}${text}${after}`);
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// ---- Elements -------------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

/** An element. What is in it is text or other elements, never markup. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name in element) element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

function shape(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const icon = (tone) => shape("svg", { class: "tone", "aria-hidden": "true" }, shape("use", { href: `#tone-${tone}` }));

/** Sets a text only where it differs: what a reader selected or focused stays. */
function say(element, text = "") {
  if (element.textContent !== text) element.textContent = text;
}

/** A word with a definition, which the glossary has. */
function term(key, label) {
  return make("button", { type: "button", className: "term", "aria-describedby": `def-${key}` }, label);
}

/** Rows of a list of definitions, kept from one update to the next; one without a value is not there. */
function facts(list, rows) {
  for (const [key, label, value] of rows) {
    let row = [...list.children].find((each) => each.dataset.key === label);
    if (!row) {
      row = make("div", {}, make("dt", {}, term(key, label)), make("dd"));
      row.dataset.key = label;
      list.append(row);
    }
    row.hidden = value === undefined;
    say(row.lastChild, value);
  }
}

function table(head, rows, caption) {
  return make("table", {}, make("caption", { className: "hidden" }, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map(({ cells: [first, ...rest], define, most }) => make("tr", { className: most ? "most" : "" },
      make("th", { scope: "row" }, term(define, first)), ...rest.map((text) => make("td", {}, text ?? "unknown"))))));
}

/** Puts a table there. Of one with the same rows only the words change: a label that has the focus keeps it. */
function settle(root, built) {
  const old = root.querySelector("table"), words = (table, which) => [...table.querySelectorAll(which)];
  const labels = (table) => words(table, "tbody th").map((each) => each.textContent).join();
  if (!old || labels(old) !== labels(built)) return root.replaceChildren(built);
  const after = words(built, "caption, thead th, td");
  words(old, "caption, thead th, td").forEach((each, index) => say(each, after[index].textContent));
  [...built.rows].forEach(({ className }, index) => { old.rows[index].className = className; });
}

/** Parts with dots between them, each a text or a list of texts and elements; what is unknown is left out. */
const dotted = (...parts) => parts.filter(Boolean).flatMap((part, index) => [index ? " · " : "", part].flat());
/** A number with its word, which has a definition. */
const labelled = (key, label, text) => text && [term(key, label), `\u00a0${text}`];

/** A link to a trace, where a Jaeger is configured; only to there. */
function traceLink(id) {
  const base = store.state.links?.jaeger;
  if (!/^https?:\/\//.test(base ?? "") || !/^[0-9a-f]{32}$/.test(id ?? "")) return undefined;
  return make("a", { href: `${base.replace(/\/+$/, "")}/trace/${id}`, target: "_blank", rel: "noreferrer" }, "Trace in Jaeger");
}

/** What is remembered is a comfort: a browser that keeps nothing is no error. */
function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(`highwater.${key}`);
    localStorage.setItem(`highwater.${key}`, value);
  } catch { /* a file, or a private window */ }
  return null;
}

// ---- Verdict and numbers ----------------------------------------------------------------------------------------------

const offline = $("snapshot") !== null;
const TONES = ["good", "info", "watch", "bad", "unknown"];
const SOURCES = { config: "from the configuration", cgroup: "from the cgroup", cgroup_high: "from the cgroup's memory.high" };

function all() {
  numbers();
  happened();
  draw();
}

/** Everything that each sample changes, but for the charts. */
function numbers() {
  heading();
  verdict();
  limits();
  trends();
  cards();
}

/** A service without a name is called by OpenTelemetry's word for that; its program has a better one. */
function serviceName() {
  const { name, executable } = store.state.service ?? {};
  return name?.startsWith("unknown_service") ? executable ?? name : name;
}

function heading() {
  const { service = {}, agent } = store.state;
  if (serviceName()) say($("service"), [serviceName(), service.version].filter(Boolean).join(" "));
  say($("instance"), joined(known(service.pid) ? `pid ${service.pid}` : undefined,
    known(service.started) ? `up ${duration((store.state.time ?? newest()) - service.started)}` : undefined));
  $("instance").title = service.instance ? `instance ${service.instance}` : "";
  say($("agent"), agent);
  const [state, text] = linkState();
  $("link").dataset.state = state;
  say($("link-text"), text);
}

function linkState() {
  if (offline) return ["still", known(newest()) ? `Saved ${new Date(newest() * 1000).toLocaleString()}` : "Saved"];
  if (link.away) return ["away", "No answer, trying again"];
  return store.state.verdict ? ["live", "Live"] : ["wait", "Connecting"];
}

/** The agent's verdict; while the service does not answer, that, since a verdict of the past is none. */
function currentVerdict() {
  const { verdict } = store.state;
  const silence = performance.now() - link.heard;
  if (!link.away || silence < UNHEARD) return verdict;
  return {
    kind: "away", tone: "unknown", title: "No answer",
    reason: `The service has not answered for ${duration(silence / 1000)}.${link.away.why ? ` Last try: ${link.away.why}.` : ""}`
      + (verdict ? ` Its last verdict, at ${moment(store.state.time)}: ${verdict.title}.` : ""),
    next: "Look whether it still runs. This page tries again by itself.",
  };
}

let spoken;

function verdict() {
  const now = currentVerdict();
  if (!now) return;
  const tone = TONES.includes(now.tone) ? now.tone : "unknown";
  $("hero").dataset.tone = tone;
  $("tone").setAttribute("href", `#tone-${tone}`);
  say($("verdict-title"), now.title);
  say($("verdict-reason"), now.reason);
  $("verdict-next").hidden = !now.next;
  say($("verdict-next").lastElementChild, now.next);
  document.title = joined(now.title, serviceName(), "Highwater");
  // The numbers in the reason change every second; what is spoken changes with the verdict.
  const key = `${now.kind} ${now.title}`;
  if (key !== spoken) say($("say-verdict"), `${now.title}. ${now.reason ?? ""} ${now.next ?? ""}`);
  spoken = key;
}

function limits() {
  const { sample = {}, limit, levels = [], level, peak, growth, forecast, episode, episodes } = store.state;
  const { used } = sample;
  const binding = limit?.bytes > 0 ? limit.bytes : undefined;
  const share = known(used) && binding ? used / binding : undefined;
  say($("share"), known(share) ? percent(share, 0) : bytes(used));
  $("share").parentElement.hidden = !known(used);
  say($("share-used"), known(share) ? bytes(used) : undefined);
  say($("share-of"), known(share) ? `of ${bytes(binding)}` : undefined);

  $("limit").hidden = share === undefined;
  if (known(share)) {
    const bar = $("bar"), at = (value) => `${Math.min(100, value / binding * 100)}%`;
    bar.querySelector(".fill").style.width = at(used);
    bar.querySelector(".peak").style.left = at(peak);
    bar.querySelector(".peak").hidden = !known(peak);
    bar.setAttribute("aria-valuenow", Math.min(100, Math.round(share * 100)));
    bar.setAttribute("aria-valuetext", `${percent(share, 0)}, ${bytes(used)} of ${bytes(binding)}`);
    const lines = levels.filter((each) => each.bytes <= binding);
    const key = lines.map((each) => each.bytes / binding).join();
    if (bar.dataset.lines !== key) {
      bar.dataset.lines = key;
      bar.querySelectorAll("i").forEach((line) => line.remove());
      $("limit-marks").replaceChildren();
      for (const each of lines) {
        const line = make("i"), label = make("span", {}, `${Math.round(each.bytes / binding * 100)}%`);
        line.style.left = label.style.left = at(each.bytes);
        bar.append(line);
        $("limit-marks").append(label);
      }
    }
  }
  $("levels").hidden = !store.state.verdict;
  say($("limit-source"), binding ? `${bytes(binding)}, ${SOURCES[limit.source] ?? limit.source}`
    : "none is known, so that levels in percent are off: HIGHWATER_LIMIT sets one");
  const texts = levels.filter((each) => known(each.bytes))
    .map((each) => `${each.level} from ${bytes(each.bytes)}${each.level === level ? ", now" : ""}`);
  if ($("level-lines").dataset.text !== texts.join()) {
    $("level-lines").dataset.text = texts.join();
    $("level-lines").replaceChildren(...texts.map((text) => make(text.endsWith(", now") ? "b" : "span", {}, text)));
  }
  facts($("facts"), [
    ["level", "level", level],
    ["peak", "peak of a minute", bytes(peak)],
    ["growth", "growth", rate(growth)],
    ["forecast", "time to limit", forecast
      && `${duration(forecast.likely)} (${duration(forecast.earliest)} to ${duration(forecast.latest)})`],
    ["available", "available", bytes(sample.available)],
    ["episode", "episodes", put("", count(episodes), episode ? `, one open for ${duration(store.state.time - episode.began)}` : "")],
  ]);
}

// ---- Charts -----------------------------------------------------------------------------------------------------------

/** Told apart by dash and width as well as by colour. */
const LINES = [
  { key: "used", label: "used", define: "used", colour: "used", below: "used-below", width: 2.5, dash: [] },
  { key: "rss", label: "rss", define: "rss", colour: "rss", width: 1.5, dash: [9, 4] },
  { key: "resident", label: "heapTotal", define: "heap-total", colour: "resident", width: 1.5, dash: [4, 3] },
  { key: "allocated", label: "heapUsed", define: "heap-used", colour: "allocated", width: 1.5, dash: [] },
  { key: "external", label: "external", define: "external", colour: "external", width: 2, dash: [2, 3] },
  { key: "limit", label: "limit", define: "limit", colour: "bad", width: 1.5, dash: [12, 3, 2, 3] },
];
const STALLS = [
  { key: "pressure_some", label: "some", define: "pressure", colour: "stall-some", width: 1.5, dash: [] },
  { key: "pressure_full", label: "full", define: "pressure", colour: "stall-full", width: 2, dash: [5, 3] },
];
/** From the bottom of the stack; the last is what a part that is unknown leaves over. */
const PARTS = [["heap", "heap"], ["allocator", "allocator"], ["external", "external"], ["anon", "other anonymous"],
  ["file", "files"], ["shmem", "shared"], ["kernel", "kernel"], ["others", "other processes"], ["rest", "not told apart"]]
  .map(([key, label]) => ({ key, label }));
const GLYPHS = {
  "highwater.memory.episode.begun": "▲", "highwater.memory.episode.changed": "◆", "highwater.memory.episode.ended": "▽",
  "highwater.memory.growth.detected": "↗", "highwater.memory.oom_kill": "✕", "highwater.capture.written": "●",
  "highwater.capture.refused": "○", "highwater.previous_run.ended": "↺", "highwater.source.unavailable": "?",
  "highwater.source.recovered": "✓",
};
const SEVERITIES = { info: "info", warn: "watch", error: "bad" };

const view = { window: 300, zoom: null, paused: null, toLimit: false, cursor: null, touched: null, hidden: new Set() };
const marks = { a: null, b: null };
const charts = {};
let cut = { time: [] };

function range() {
  if (view.zoom) return view.zoom;
  const end = view.paused ?? newest() ?? Date.now() / 1000;
  // A young process fills the chart rather than a sliver at its edge.
  return [Math.min(end - 60, Math.max(end - view.window, store.time[0] ?? 0)), end];
}

// A canvas needs colours that are resolved: a custom property still says light-dark().
const colours = new Map();
const probe = make("span", { hidden: true });
function colour(name) {
  if (!colours.has(name)) {
    probe.style.color = `var(--${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}

/** Ticks of bytes lie at powers of two, and need no more digits than they have. */
const tick = (number) => { const [digits, unit] = scaled(number); return `${Number(digits)}\u00a0${unit}`; };
const POWERS = Array.from({ length: 48 }, (_, power) => 2 ** power);

function chart(id, { lines, values, increments, stacked, top, under, over = [] }) {
  const root = $(id);
  const grid = { stroke: () => colour("line"), width: 1 }, ticks = { show: false };
  const font = "11px Inter, system-ui, sans-serif", stroke = () => colour("soft");
  const plot = new uPlot({
    width: Math.max(200, root.clientWidth), height: root.clientHeight, legend: { show: false }, padding: [14, 8, 0, 0],
    cursor: { y: false, sync: { key: "highwater" }, drag: { x: true, y: false, setScale: false, dist: 4 },
      points: { size: 7, fill: stacked ? "transparent" : undefined, stroke: stacked ? "transparent" : undefined } },
    scales: { x: { range: () => range() }, y: { range: () => [0, top()] } },
    axes: [
      { stroke, font, grid: { show: false }, ticks, size: 26, space: 76,
        // One that the edge would cut is left out.
        values: (plot, splits, _, __, step) => splits.map((time) => (plot.valToPos(time, "x") > plot.over.clientWidth - 20
          ? null : (step < 60 ? CLOCK : MINUTE).format(time * 1000))) },
      { stroke, font, grid, ticks, size: 62, space: 46, incrs: increments, values: (_, splits) => splits.map(values) },
    ],
    series: [{}, ...lines.map((line) => ({
      label: line.label, width: line.width, dash: line.dash, points: { show: false }, stroke: () => colour(line.colour),
      fill: line.below && (() => colour(line.below)),
    }))],
    hooks: {
      drawClear: under ? [under] : [], draw: [drawMarks, ...over], setSelect: [zoomBySelection],
      setCursor: id === "timeline" ? [readout] : [],
    },
  }, [[], ...lines.map(() => [])], root);
  new ResizeObserver(() => {
    if (root.clientWidth > 0) plot.setSize({ width: root.clientWidth, height: root.clientHeight });
  }).observe(root);
  root.addEventListener("dblclick", () => zoom(null));
  charts[id] = plot;
}

function buildCharts() {
  document.body.append(probe);
  const highest = (names) => Math.max(0, ...names.flatMap((name) => cut[name] ?? []));
  chart("timeline", {
    lines: LINES, values: tick, increments: POWERS, under: tintLevels, over: [nameLevels],
    top: () => {
      const lines = LINES.map(({ key }) => key).filter((key) => key !== "limit" && !view.hidden.has(key));
      const most = highest(lines) * 1.12 || 1 << 20;
      const limit = view.hidden.has("limit") ? 0 : highest(["limit"]);
      return limit && (view.toLimit || most > limit * 0.6) ? Math.max(most, limit * 1.06) : most;
    },
  });
  // From the top of the stack down: each area reaches to the ground and is covered by the next.
  chart("breakdown", {
    lines: [...PARTS].reverse().map(({ key, label }) => ({ label, colour: `part-${key}`, below: `part-${key}`, width: 0 })),
    stacked: true, values: tick, increments: POWERS, over: [nameParts], top: () => highest(["stack"]) * 1.06 || 1 << 20,
  });
  chart("pressure", {
    lines: STALLS, values: (share) => percent(share),
    top: () => Math.min(1, Math.max(0.05, highest(["pressure_some", "pressure_full"]) * 1.15)),
  });

  $("legend").append(...LINES.map((line, index) => {
    const stroke = { d: "M0 4h26", "stroke-width": line.width + 0.5, "stroke-dasharray": line.dash.join(" ") || "none" };
    const swatch = shape("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" }, shape("path", stroke));
    swatch.style.stroke = `var(--${line.colour})`;
    const about = { "aria-pressed": "true", "aria-describedby": `def-${line.define}` };
    const button = make("button", { type: "button", className: "line", ...about },
      swatch, make("span", {}, line.label), make("b"));
    button.addEventListener("click", () => {
      const show = view.hidden.has(line.key);
      if (show) view.hidden.delete(line.key); else view.hidden.add(line.key);
      button.setAttribute("aria-pressed", show);
      charts.timeline.setSeries(index + 1, { show });
      draw();
    });
    return make("li", {}, button);
  }));
}

/** The parts on top of each other, and what is left of the whole where one of them is unknown. */
function stack() {
  cut.part_rest = cut.time.map((_, index) => {
    const values = PARTS.slice(0, -1).map(({ key }) => cut[`part_${key}`][index]), whole = cut.whole[index];
    const rest = whole - values.reduce((sum, value) => sum + (value ?? 0), 0);
    return whole !== null && values.includes(null) && rest > whole / 100 ? rest : null;
  });
  const sum = cut.time.map(() => 0), any = cut.time.map(() => false);
  const layers = PARTS.map(({ key }) => cut[`part_${key}`].map((value, index) => {
    any[index] ||= value !== null;
    return sum[index] += value ?? 0;
  }));
  cut.stack = sum;
  return layers.map((layer) => layer.map((value, index) => (any[index] ? value : null))).reverse();
}

/** The next frame is asked for; up to which row it was drawn. */
let frame = 0, drawn = 0;
/** At least so often, in seconds, while rows come. */
const SELDOM = 5;

/** Draws once, however often it is asked before the next frame; a tab that is hidden draws when it is seen again. */
function draw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    drawn = newest() ?? 0;
    const [min, max] = range();
    cut = shown(min, max);
    charts.timeline.setData([cut.time, ...LINES.map(({ key }) => cut[key])]);
    charts.breakdown.setData([cut.time, ...stack()]);
    charts.pressure.setData([cut.time, ...STALLS.map(({ key }) => cut[key])]);
    if (view.cursor !== null) point(view.cursor);
    empty("timeline", cut.time.length === 0, "Waiting for the first numbers");
    empty("breakdown", !cut.stack.some((sum) => sum > 0), "The parts are not known here");
    const stalls = [...cut.pressure_some, ...cut.pressure_full].some((share) => share !== null);
    empty("pressure", !stalls, "The kernel gives no pressure information here");
    const slider = $("timeline");
    slider.setAttribute("aria-valuemin", Math.floor(min));
    slider.setAttribute("aria-valuemax", Math.ceil(max));
    slider.setAttribute("aria-valuenow", Math.round(view.cursor ?? max));
    if (view.cursor === null) slider.setAttribute("aria-valuetext", "newest");
    say($("timeline-lead"), view.zoom ? `${moment(min)} to ${moment(max)}` : view.paused === null ? undefined
      : `paused at ${clock(view.paused)}, ${duration(newest() - view.paused)} behind`);
    $("reset").hidden = !view.zoom;
    readout();
    trends();
    compare();
    breakdown();
    pressure();
    summary("timeline", LINES, bytes, change);
    summary("pressure", STALLS, percent, (by) => (by > 0 ? "+" : "") + percent(by));
  });
}

function empty(id, is, text) {
  $(id).classList.toggle("empty", is);
  $(id).dataset.empty = text;
}

/** What the eye takes from a chart, for those who do not see it: now, least, most, change. */
function summary(id, lines, format, difference) {
  const details = $(`${id}-table`);
  if (!details.open) return;
  const rows = lines.map(({ key, label, define }) => {
    const values = cut[key].filter((value) => value !== null);
    const [first, last] = [values[0], values.at(-1)];
    const between = [Math.min(...values), Math.max(...values)].map((value) => format(value));
    return { key: first, define, cells: [label, format(last), ...between, difference(last - first)] };
  });
  const span = cut.time.length ? `${moment(cut.time[0])} to ${moment(cut.time.at(-1))}` : "";
  const built = table(["Line", "Last", "Lowest", "Highest", "Change"], rows.filter(({ key }) => known(key)), span);
  const root = details.lastElementChild;
  settle(root, built);
  say(root.querySelector("p") ?? root.appendChild(make("p", { className: "small" })), span);
}

/** The levels' lines that lie within the chart, as [level, place, colour]. */
function levelLines(plot) {
  const { top, height } = plot.bbox;
  return (store.state.levels ?? []).filter((each) => known(each.bytes))
    .map((each, index) => [each, plot.valToPos(each.bytes, "y", true), index < 2 ? "watch" : "bad"])
    .filter(([, y]) => y > top && y < top + height);
}

function tintLevels(plot) {
  const { ctx, bbox: { left, top, width } } = plot, ratio = devicePixelRatio;
  ctx.save();
  for (const [, y, name] of levelLines(plot)) {
    ctx.globalAlpha = 0.07;
    ctx.fillStyle = ctx.strokeStyle = colour(name);
    ctx.fillRect(left, top, width, y - top);
    ctx.globalAlpha = 0.8;
    ctx.setLineDash([2 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  }
  ctx.restore();
}

function nameLevels(plot) {
  const { ctx, bbox: { left } } = plot, ratio = devicePixelRatio;
  ctx.save();
  for (const [{ level, setting = "" }, y, name] of levelLines(plot)) {
    write(ctx, `${level} ${setting}`, left + 6 * ratio, y - 4 * ratio, colour(name), "left", colour("card"));
  }
  ctx.restore();
}

/** Writes, with a rim where lines may run below. */
function write(ctx, text, x, y, ink, align, rim) {
  ctx.font = `${11 * devicePixelRatio}px Inter, system-ui, sans-serif`;
  ctx.textAlign = align;
  ctx.textBaseline = "alphabetic";
  if (rim) {
    ctx.setLineDash([]);
    ctx.lineJoin = "round";
    ctx.lineWidth = 4 * devicePixelRatio;
    ctx.strokeStyle = rim;
    ctx.strokeText(text, x, y);
  }
  ctx.fillStyle = ink;
  ctx.fillText(text, x, y);
}

/** Events as thin lines with their sign above, and the marks A and B. */
function drawMarks(plot) {
  const { ctx, bbox: { left, top, width, height } } = plot, ratio = devicePixelRatio, [min, max] = range();
  let free = 0;
  const line = (time, name, text, dash) => {
    if (time < min || time > max) return;
    const x = Math.round(plot.valToPos(time, "x", true));
    ctx.strokeStyle = colour(name);
    ctx.lineWidth = ratio;
    ctx.setLineDash(dash.map((each) => each * ratio));
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    // Signs of what happened at once stand side by side.
    const place = Math.min(Math.max(x, left + 5 * ratio, free), left + width - 5 * ratio);
    free = place + 12 * ratio;
    write(ctx, text, place, top - 3 * ratio, colour(name), "center");
  };
  ctx.save();
  const signs = store.events.map((event) => [event.time, SEVERITIES[event.severity] ?? "info", GLYPHS[event.name] ?? "·", [1, 3]]);
  for (const [name, mark] of Object.entries(marks)) if (mark) signs.push([mark.time, "ink", name.toUpperCase(), []]);
  for (const sign of signs.sort(([one], [other]) => one - other)) line(...sign);
  ctx.restore();
}

/** Names a part where its area is high enough at the right edge. */
function nameParts(plot) {
  const { ctx, bbox: { left, width } } = plot, last = cut.time.length - 1;
  let below = 0;
  ctx.save();
  for (const { key, label } of PARTS) {
    const value = cut[`part_${key}`]?.[last] ?? 0;
    const from = plot.valToPos(below, "y", true), to = plot.valToPos(below += value, "y", true);
    if (from - to < 15 * devicePixelRatio) continue;
    const [red, green, blue] = colour(`part-${key}`).match(/[\d.]+/g).map(Number);
    const ink = 0.3 * red + 0.59 * green + 0.11 * blue > 128 ? "#111" : "#fff";
    write(ctx, label, left + width - 8 * devicePixelRatio, (from + to) / 2 + 4 * devicePixelRatio, ink, "right");
  }
  ctx.restore();
}

function zoomBySelection(plot) {
  const { left, width } = plot.select;
  if (width < 4) return;
  const ends = [left, left + width].map((x) => plot.posToVal(x, "x"));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoom(ends);
}

function zoom(ends) {
  if (ends && ends[1] - ends[0] < 2) return;
  view.zoom = ends;
  draw();
}

/** The time under the pointer or the keyboard's cursor. */
function cursorTime() {
  if (view.cursor !== null) return view.cursor;
  const { idx } = charts.timeline.cursor;
  return idx === null || idx === undefined ? undefined : charts.timeline.data[0][idx];
}

function point(time) {
  charts.timeline.setCursor({ left: charts.timeline.valToPos(time, "x"), top: 1 }, true);
}

function readout() {
  if (!charts.timeline) return;
  const time = cursorTime(), row = known(time) ? rowAt(time) : rowAt(newest());
  LINES.forEach(({ key }, index) => say($("legend").children[index].firstChild.lastChild, bytes(row[key])));
  if (!known(time)) return say($("readout"), "Drag to zoom. Point at a moment, or move there with the arrow keys, to read it.");
  const [min, max] = range();
  const near = store.events.filter((event) => Math.abs(event.time - time) < (max - min) / 120).at(-1);
  say($("readout"), joined(moment(row.time), near?.text));
}

/** Moves the keyboard's cursor by rows, and says what is there. */
function step(by) {
  if (!cut.time.length) return;
  const [min, max] = range();
  const inside = cut.time.filter((time) => time >= min && time <= max);
  const at = inside.findIndex((time) => time >= (cursorTime() ?? Infinity));
  const index = Math.min(Math.max((at < 0 ? inside.length - 1 : at) + by, 0), inside.length - 1);
  view.cursor = inside[index] ?? null;
  if (view.cursor === null) return;
  point(view.cursor);
  readout();
  const row = rowAt(view.cursor), read = LINES.map(({ key, label }) => put(`${label} `, bytes(row[key])));
  $("timeline").setAttribute("aria-valuenow", Math.round(view.cursor));
  $("timeline").setAttribute("aria-valuetext", [$("readout").textContent, ...read].filter(Boolean).join(", "));
}

function leaveCursor() {
  view.cursor = null;
  charts.timeline.setCursor({ left: -10, top: -10 }, true);
  draw();
}

function setWindow(seconds) {
  view.window = seconds;
  view.zoom = null;
  remember("window", seconds);
  for (const input of $("windows").querySelectorAll("input")) input.checked = Number(input.value) === seconds;
  draw();
}

function pause() {
  view.paused = view.paused === null ? newest() ?? null : null;
  $("pause").setAttribute("aria-pressed", view.paused !== null);
  tell(view.paused === null ? "Charts go on" : "Charts paused; numbers go on being kept");
  draw();
}

function toLimit() {
  view.toLimit = !view.toLimit;
  $("scale").setAttribute("aria-pressed", view.toLimit);
  draw();
}

const NO_ALLOCATOR = {
  other: "unknown: another allocator", jemalloc_not_installed: "unknown: jemalloc does not serve the program",
};

/** The four numbers, and how they moved in the time that is shown. */
function trends() {
  const { sample = {}, allocator } = store.state, [min] = range();
  for (const key of ["resident", "allocated", "external", "rss"]) {
    const number = $(`n-${key}`), value = sample[key];
    const rows = (cut[key] ?? []).map((each, index) => [cut.time[index], each]).filter(([time, each]) => each !== null && time >= min);
    const [first, last] = [rows[0], rows.at(-1)];
    number.classList.toggle("none", !known(value));
    if (known(value)) {
      const [digits, unit] = scaled(value);
      if (number.textContent !== digits + unit) number.replaceChildren(digits, make("small", {}, unit));
    } else say(number, ["resident", "allocated"].includes(key) ? NO_ALLOCATOR[allocator] ?? "unknown" : "unknown");
    const moved = known(value) && rows.length > 1;
    say($(`d-${key}`), moved ? `${change(last[1] - first[1])} in ${duration(last[0] - first[0])}` : "");
  }
}

function breakdown() {
  const last = rowAt(newest()), body = $("parts").tBodies[0];
  const values = Object.fromEntries(PARTS.map(({ key }) => [key, last[`part_${key}`]]));
  const total = Object.values(values).filter(known).reduce((sum, value) => sum + value, 0);
  const { whole } = last;
  const isPartial = PARTS.slice(0, -1).some(({ key }) => !known(values[key]));
  if (isPartial && whole - total > whole / 100) values.rest = whole - total;
  for (const { key, label } of PARTS) {
    let row = body.querySelector(`[data-key="${key}"]`);
    if (!row) {
      const swatch = make("span", { className: "swatch", "aria-hidden": "true" });
      swatch.style.background = `var(--part-${key})`;
      row = make("tr", {}, make("th", { scope: "row" }, swatch, term(`part-${key}`, label)), make("td"), make("td"));
      row.dataset.key = key;
      body.append(row);
    }
    row.hidden = !known(values[key]);
    say(row.cells[1], bytes(values[key]));
    say(row.cells[2], known(whole) && whole > 0 ? percent(values[key] / whole) : undefined);
  }
  say($("whole"), bytes(whole) ?? "unknown");
  $("parts").hidden = total === 0 && !known(whole);
  const [first] = PARTS.filter(({ key }) => known(values[key])).sort((a, b) => values[b.key] - values[a.key]);
  say($("breakdown-lead"), first && whole > 0 ? `${percent(values[first.key] / whole, 0)} is ${first.label}` : undefined);
}

function pressure() {
  const lead = STALLS.map(({ key, label }) => {
    const values = cut[key].filter((value) => value !== null);
    return values.length ? `${label} ${percent(values.reduce((sum, value) => sum + value, 0) / values.length)}` : undefined;
  });
  const text = joined(...lead);
  say($("pressure-lead"), text && `stalled on average: ${text}`);
}

// ---- Marks ------------------------------------------------------------------------------------------------------------

/** The lines, and of the parts those that are no line. */
const COMPARED = [...LINES.map(({ key, label, define }) => [key, label, define]),
  ...PARTS.filter(({ key }) => !["heap", "external", "rest"].includes(key))
    .map(({ key, label }) => [`part_${key}`, label, `part-${key}`])];

function setMark(name) {
  if (!store.time.length) return;
  marks[name] = rowAt(cursorTime() ?? view.paused ?? newest());
  tell(`Mark ${name.toUpperCase()} set at ${clock(marks[name].time)}`);
  draw();
}

function clearMarks() {
  marks.a = marks.b = null;
  draw();
}

/** What is compared: the two marks; where one is missing, the begin or the end of what is shown stands for it. */
function ends() {
  const [min, max] = range();
  return { a: marks.a ?? rowAt(Math.max(min, store.time[0])), b: marks.b ?? rowAt(Math.min(max, newest())) };
}

/** Each number at both ends, and the part that changed most between them. */
function compared() {
  const { a, b } = ends();
  const rows = COMPARED.filter(([key]) => known(a[key]) || known(b[key]))
    .map(([key, label, define]) => ({ key, label, define, a: a[key], b: b[key], by: b[key] - a[key] }));
  const parts = rows.filter(({ key, by }) => (key.startsWith("part_") || key === "allocated" || key === "external") && known(by));
  const [most] = parts.sort((x, y) => Math.abs(y.by) - Math.abs(x.by));
  const [from, to] = [a.time, b.time].sort((x, y) => x - y);
  const events = store.events.filter((event) => event.time >= from && event.time <= to);
  return { a, b, rows, events, most: most?.by ? most : undefined };
}

const markName = (name, end) => `${marks[name] ? name.toUpperCase() : { a: "From", b: "To" }[name]} ${clock(end.time)}`;

function compare() {
  const set = marks.a || marks.b, any = store.time.length > 0;
  $("copy").disabled = $("marks").hidden = !any;
  $("clear").disabled = !set;
  if (!any) return;
  const { a, b, rows, events, most } = compared();
  const apart = duration(Math.abs(b.time - a.time));
  say($("marks-lead"), joined(most ? `Most changed ${most.label}, ${change(most.by)} in ${apart}` : `${apart} apart`,
    events.length ? plural(events.length, "event") : undefined, set ? undefined : "marks A and B choose the two moments"));
  const cells = rows.map((row) => (
    { cells: [row.label, bytes(row.a), bytes(row.b), change(row.by)], define: row.define, most: row === most }));
  settle($("marks"), table(["Number", markName("a", a), markName("b", b), "Change"], cells, "What changed"));
}

function markdown() {
  const { a, b, rows, events } = compared(), { service = {} } = store.state, iso = (time) => new Date(time * 1000).toISOString();
  const cell = (text) => String(text ?? "unknown").replaceAll("|", "\\|").replaceAll("\u00a0", " ");
  const line = (...cells) => `| ${cells.map(cell).join(" | ")} |`;
  const who = [serviceName(), service.version, put("(pid ", service.pid, ")")].filter(Boolean).join(" ") || "memory";
  return [
    cell(`${who}: from ${iso(a.time)} to ${iso(b.time)}, ${duration(Math.abs(b.time - a.time))} apart`), "",
    line("Number", markName("a", a), markName("b", b), "change"), "|---|---:|---:|---:|",
    ...rows.map((row) => line(row.label, bytes(row.a), bytes(row.b), change(row.by))),
    ...events.length ? ["", ...events.map((event) => `- ${clock(event.time)} ${cell(event.text)}`)] : [], "",
  ].join("\n");
}

async function copy() {
  if (!store.time.length) return;
  const area = $("markdown");
  area.value = markdown();
  try {
    await navigator.clipboard.writeText(area.value);
    tell("Copied as Markdown");
    say($("copy"), "Copied");
    setTimeout(() => say($("copy"), "Copy as Markdown"), 2000);
  } catch {
    // No clipboard without a secure address: the text is there to be copied by hand.
    area.hidden = false;
    area.focus();
    area.select();
  }
}

// ---- What happened ------------------------------------------------------------------------------------------------------

const REASONS = {
  held: "held beyond the line", steep: "a steep climb", kernel: "the kernel's word", peak: "a new peak", recovered: "recovered",
  limit_changed: "the limit changed", shutdown: "shut down", split: "split after an hour", flapping: "too often to tell each",
};
const ENDS = { oom_killed: "was killed by the kernel for memory", killed: "was killed", crashed: "crashed" };

/** Folds the events of memory into episodes, the newest first. */
function episodes() {
  const found = new Map();
  for (const event of store.events) {
    if (!event.episode || !event.name.startsWith("highwater.memory.")) continue;
    const episode = found.get(event.episode) ?? { id: event.episode, levels: [] };
    found.set(event.episode, episode);
    const { attributes = {} } = event;
    if (event.name.endsWith(".begun")) episode.began = event.time;
    episode.levels.push(event.level);
    episode.reason ??= event.reason;
    episode.cause = event.cause ?? episode.cause;
    episode.text = event.text;
    for (const used of [attributes["highwater.memory.used"], attributes["highwater.peak.used"]]) {
      if (known(used)) episode.peak = Math.max(episode.peak ?? 0, used);
    }
    if (event.name.endsWith(".ended")) Object.assign(episode, { ended: event.time, lasted: attributes["highwater.duration"] });
  }
  return [...found.values()].reverse();
}

function sites(event, most = 5) {
  const list = event.attributes?.["highwater.capture.sites"];
  if (!Array.isArray(list) || !list.length) return undefined;
  const head = make("p", { className: "small" }, ...dotted([term("site-bytes", "bytes held")],
    [term("site-objects", "objects")], list.some(({ grown }) => grown > 0) && [term("site-grown", "grown")]), ", by function");
  return make("div", {}, head, make("ol", { className: "sites" }, ...list.slice(0, most).map((site) => {
    // Without the hash that the compiler appends.
    const name = String(site.function ?? site.module ?? "a function without a name").replace(/::h[0-9a-f]{16}$/, "");
    const more = joined(known(site.objects) ? plural(site.objects, "object") : undefined,
      site.grown > 0 ? `${change(site.grown)} since the last` : undefined);
    const what = make("div", {}, make("code", {}, name), make("small", {}, put(" ", more)));
    return make("li", {}, make("span", {}, bytes(site.bytes)), what);
  })));
}

const TOP = ["normal", "elevated", "high", "critical"];
const LEVEL_TONES = { normal: "good", elevated: "watch", high: "watch", critical: "bad" };

/** Everything that an event changes. */
function happened() {
  const found = episodes();
  say($("episodes-lead"), found.length ? undefined : "None yet: used has not left the normal level.");
  $("episodes").replaceChildren(...found.map((episode) => {
    const level = TOP[Math.max(...episode.levels.map((each) => TOP.indexOf(each)), 0)];
    const lasted = episode.lasted ?? (episode.ended && episode.began ? episode.ended - episode.began : undefined);
    return make("article", { className: "episode", "data-tone": LEVEL_TONES[level] },
      make("h3", {}, icon(LEVEL_TONES[level]), `${level[0].toUpperCase()}${level.slice(1)}`,
        make("span", {}, ...dotted(moment(episode.began), !episode.ended && "open"))),
      make("p", { className: "said" }, episode.text),
      make("p", { className: "small" }, ...dotted(labelled("peak-all", "peak", bytes(episode.peak)),
        episode.ended && labelled("duration", "duration", duration(lasted)), REASONS[episode.reason] ?? episode.reason,
        episode.cause !== "unknown" && put("what grew: ", episode.cause?.replaceAll("_", " ")), traceLink(episode.id))));
  }));

  const captures = store.events.filter((event) => event.name.startsWith("highwater.capture.")).reverse();
  const none = store.state.heap_profiles ? "None yet: one is taken when a level is entered."
    : "Off: feature heap-profile, with highwater::jemalloc!(), names the functions that hold the memory.";
  say($("captures-lead"), captures.length ? undefined : none);
  $("captures").replaceChildren(...captures.slice(0, 6).map((event) => {
    const isTaken = event.name.endsWith(".written"), tone = isTaken ? "info" : "watch";
    const file = event.attributes?.["highwater.capture.file"];
    return make("article", { className: "capture", "data-tone": tone },
      make("h3", {}, icon(tone), isTaken ? "Taken" : "Not taken",
        make("span", {}, joined(moment(event.time), put("at ", event.level)))),
      make("p", { className: "said" }, event.text), sites(event),
      file && make("p", { className: "small" }, "File ", make("code", {}, file)));
  }));

  previousRun();
  eventList();
}

/** The run before, where it did not end by itself. */
function previousRun() {
  const is = ({ name, attributes }) => name === "highwater.previous_run.ended" && attributes?.["highwater.exit.verdict"] in ENDS;
  const ended = store.events.filter(is).at(-1);
  $("previous").hidden = !ended;
  if (!ended) return;
  const { attributes } = ended, trace = traceLink(attributes["highwater.previous_episode.id"]);
  $("previous-title").replaceChildren(icon("bad"), `The run before ${ENDS[attributes["highwater.exit.verdict"]]}`);
  const facts = dotted(labelled("peak-all", "peak", bytes(attributes["highwater.peak.used"])),
    put("pid ", attributes["process.pid"]), attributes["highwater.exit.confidence"], put("at level ", ended.level), trace);
  $("previous-body").replaceChildren(make("p", { className: "said" }, ended.text),
    make("p", { className: "small" }, ...facts), sites(ended, 3) ?? "");
}

const FEW = 8;
let every = false;

function eventList() {
  const { events } = store;
  say($("events-lead"), events.length ? undefined : "Nothing has happened yet.");
  $("events-all").hidden = events.length <= FEW;
  $("events-all").setAttribute("aria-expanded", every);
  say($("events-all"), every ? "Show fewer" : `Show all ${events.length}`);
  const list = [...events].reverse().slice(0, every ? events.length : FEW);
  $("events").replaceChildren(...list.map((event) => make("li", { "data-tone": SEVERITIES[event.severity] ?? "info" },
    make("i", { "aria-hidden": "true" }, GLYPHS[event.name] ?? "·"), make("time", {}, moment(event.time)),
    make("p", { className: "said" }, make("span", { className: "hidden" }, `${event.severity}: `), event.text))));
}

// ---- Cards --------------------------------------------------------------------------------------------------------------

const DELIVERY = {
  idle: ["nothing sent yet", "info"], delivering: ["delivering", "good"], failing: ["failing", "bad"],
  host: ["sent by the service", "info"], off: ["off", "unknown"],
};
const perSignal = (counts = {}) => {
  const some = Object.entries(counts).filter(([, number]) => number > 0);
  if (!Object.keys(counts).length) return undefined;
  return some.map(([signal, number]) => `${count(number)} ${signal}`).join(", ") || "none";
};

function cards() {
  const { delivery = {}, sample = {}, cost = {}, service = {} } = store.state;
  const [word, tone] = DELIVERY[delivery.state] ?? [delivery.state, "unknown"], lead = $("delivery-lead");
  if (lead.textContent !== word) lead.replaceChildren(...word ? [icon(tone), word] : []);
  lead.dataset.tone = tone;
  $("delivery-hint").hidden = !delivery.hint;
  say($("delivery-hint"), delivery.hint);
  facts($("delivery"), [
    ["delivery-target", "target", delivery.target],
    ["delivery-target", "last success", joined(clock(delivery.last_success), ago(delivery.last_success))?.replace(" · ", ", ")],
    ["delivery-target", "last failure", joined(clock(delivery.last_failure), ago(delivery.last_failure))?.replace(" · ", ", ")],
    ["delivery-target", "error", delivery.error],
    ["delivery", "failures", perSignal(delivery.failures)],
    ["delivery", "dropped", perSignal(delivery.dropped)],
  ]);
  facts($("more"), [
    ["unattributed", "unattributed", bytes(sample.unattributed)],
    ["active", "active", bytes(sample.active)],
    ["fragmentation", "fragmentation", percent(sample.fragmentation)],
    ["container-usage", "container usage", bytes(sample.container_usage)],
    ["working-set", "working set", bytes(sample.working_set)],
    ["kinds", "anonymous", bytes(sample.anon)], ["kinds", "files", bytes(sample.file)],
    ["kinds", "shared", bytes(sample.shmem)], ["kinds", "swap", bytes(sample.swap)],
  ]);
  facts($("cost"), [
    ["cost", "of a core", percent(cost.share, 2)],
    ["cost", "a reading", joined(short(cost.sample_seconds), put("", count(cost.samples), " so far"))],
    ["page", "this page's memory", bytes(cost.page_bytes)],
    ["readers", "its readers", count(cost.clients)],
    ["instance", "instance", service.instance],
  ]);
}

// ---- Keyboard, theme, definitions -----------------------------------------------------------------------------------------

function tell(text) { say($("say"), text); }
function openHelp() { $("help").showModal(); }

const KEYS = {
  p: pause, l: toLimit, c: copy, x: clearMarks, 0: () => zoom(null), t: () => nextTheme(), "?": openHelp,
  a: () => setMark("a"), b: () => setMark("b"), "+": () => zoomBy(0.5), "=": () => zoomBy(0.5), "-": () => zoomBy(2),
  ...Object.fromEntries([60, 300, 900, 3600, 21600].map((seconds, index) => [index + 1, () => setWindow(seconds)])),
};
const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

function zoomBy(factor) {
  const [min, max] = range(), { touched } = view, end = newest() ?? max, oldest = Math.min(store.time[0] ?? min, end - 60);
  const middle = cursorTime() ?? (touched >= min && touched <= max ? touched : max);
  const ends = [middle - (middle - min) * factor, middle + (max - middle) * factor];
  zoom([Math.max(ends[0], Math.min(oldest, min)), Math.min(ends[1], Math.max(end, max))]);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    hideTip();
    if (view.cursor !== null) leaveCursor();
    return;
  }
  if ($("help").open || event.target.matches("textarea")) return;
  if (event.target === $("timeline") && event.key in MOVES) {
    event.preventDefault();
    return step(MOVES[event.key] * (event.shiftKey ? 10 : 1));
  }
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : KEYS[event.key.toLowerCase()];
  if (!act || event.repeat || !$("keys-on").checked) return;
  event.preventDefault();
  act();
}

const THEMES = ["system", "light", "dark"];

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
  say($("theme"), { system: "◐", light: "○", dark: "●" }[theme]);
  $("theme").setAttribute("aria-label", `Theme: ${theme}`);
  $("theme").title = `Theme: ${theme}`;
  remember("theme", theme);
  recolour();
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(remember("theme") ?? document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length]);
}

function recolour() {
  colours.clear();
  draw();
}

let tipTimer = 0, tipWord;

/** A definition beside its word: by pointer or focus, within reach of the pointer, closed by Escape. */
function showTip(word) {
  clearTimeout(tipTimer);
  tipWord = word;
  const tip = $("tip"), { left, top, bottom } = word.getBoundingClientRect();
  say(tip, $(word.getAttribute("aria-describedby"))?.textContent);
  tip.hidden = !tip.textContent;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  tip.style.top = `${bottom + height + 10 > innerHeight ? Math.max(4, top - height - 6) : bottom + 6}px`;
}

function hideTip() {
  clearTimeout(tipTimer);
  $("tip").hidden = true;
}

function definitions() {
  for (const word of document.querySelectorAll("[data-term]")) word.setAttribute("aria-describedby", `def-${word.dataset.term}`);
  const word = (event) => event.target.closest?.("[aria-describedby^=def-]");
  const leave = () => { clearTimeout(tipTimer); tipTimer = setTimeout(hideTip, 200); };
  document.addEventListener("pointerover", (event) => {
    if (word(event)) showTip(word(event)); else if (event.target.id === "tip") clearTimeout(tipTimer);
  });
  document.addEventListener("pointerout", (event) => { if (word(event) || event.target.id === "tip") leave(); });
  document.addEventListener("focusin", (event) => { if (word(event)) showTip(word(event)); else hideTip(); });
  document.addEventListener("click", (event) => {
    if (word(event)) showTip(word(event)); else if (event.target.id !== "tip") hideTip();
  });
  // The focus may scroll: the definition goes with its word.
  addEventListener("scroll", () => { if (!$("tip").hidden) showTip(tipWord); }, { passive: true });
}

// ---- Start ----------------------------------------------------------------------------------------------------------------

function start() {
  for (const name of COLUMNS) store.columns[name] = [];
  definitions();
  buildCharts();
  const on = (id, act) => $(id).addEventListener("click", act);
  on("zoom-in", () => zoomBy(0.5)); on("zoom-out", () => zoomBy(2));
  on("pause", pause); on("scale", toLimit); on("reset", () => zoom(null)); on("theme", nextTheme);
  on("mark-a", () => setMark("a")); on("mark-b", () => setMark("b")); on("copy", copy); on("clear", clearMarks);
  on("help-open", openHelp); on("help-foot", openHelp); on("help-close", () => $("help").close());
  on("events-all", () => { every = !every; eventList(); });
  $("windows").addEventListener("change", (event) => setWindow(Number(event.target.value)));
  $("keys-on").checked = remember("keys") !== "off";
  $("keys-on").addEventListener("change", () => remember("keys", $("keys-on").checked ? "on" : "off"));
  $("timeline").addEventListener("blur", () => { if (view.cursor !== null) leaveCursor(); });
  $("timeline").addEventListener("pointermove", () => { view.cursor = null; });
  // A finger leaves no pointer behind: the moment that was touched is what the buttons zoom around.
  $("timeline").addEventListener("pointerdown", ({ pointerType, clientX }) => {
    const { left } = charts.timeline.over.getBoundingClientRect();
    view.touched = pointerType === "touch" ? charts.timeline.posToVal(clientX - left, "x") : null;
  });
  for (const details of document.querySelectorAll("details.table")) details.addEventListener("toggle", draw);
  document.addEventListener("keydown", onKey);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  const theme = remember("theme"), window = Number(remember("window"));
  if (THEMES.includes(theme)) setTheme(theme);
  if ([...$("windows").querySelectorAll("input")].some((input) => Number(input.value) === window)) setWindow(window);

  if (offline) {
    load(JSON.parse($("snapshot").textContent));
    for (const id of ["pause", "export-html", "export-json", "metrics"]) $(id).hidden = true;
    return all();
  }
  setInterval(watchOver, 1000);
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("online", () => { if (link.away) fetchSnapshot(); });
  fetchSnapshot();
}

// Deferred, the page is there; put into one file with it, this runs before.
if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
})();
