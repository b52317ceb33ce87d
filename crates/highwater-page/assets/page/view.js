/* What is looked at: the time that is shown, the cursor in it, and how both are moved. */

const view = { window: 300, zoom: null, paused: null, toLimit: false, cursor: null, touched: null, hidden: new Set() };
const marks = { a: null, b: null };

function range() {
  if (view.zoom) return view.zoom;
  const end = view.paused ?? newest() ?? Date.now() / 1000;
  // A young process fills the chart rather than a sliver at its edge.
  return [Math.min(end - 60, Math.max(end - view.window, store.time[0] ?? 0)), end];
}

/** Another process answers: what was chosen in the time of the one before is not its. */
function forget() {
  const chosen = marks.a || marks.b || view.zoom || view.paused !== null;
  marks.a = marks.b = view.zoom = view.paused = view.cursor = view.touched = null;
  $("pause").setAttribute("aria-pressed", false);
  $("markdown").hidden = true;
  tell(`The service has started again${chosen ? ": marks, pause and zoom are gone" : ""}`);
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
  const stalls = STALLS.map(({ key, label }) => put(`${label} `, percent(row[key]))).filter(Boolean);
  say($("readout"), joined(moment(row.time), stalls.length ? `stalled: ${stalls.join(", ")}` : undefined, near?.text));
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

function zoomBy(factor) {
  const [min, max] = range(), { touched } = view, end = newest() ?? max, oldest = Math.min(store.time[0] ?? min, end - 60);
  const middle = cursorTime() ?? (touched >= min && touched <= max ? touched : max);
  const ends = [middle - (middle - min) * factor, middle + (max - middle) * factor];
  zoom([Math.max(ends[0], Math.min(oldest, min)), Math.min(ends[1], Math.max(end, max))]);
}
