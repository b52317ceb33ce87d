/* What came: rows, events and the newest state, as the server keeps them. Everything on the page is derived from here. */

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
