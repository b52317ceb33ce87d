/* The three charts: what they show, and when they are drawn. */

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

const charts = {};
let cut = { time: [] };

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
    summary("pressure", STALLS, percent, percentChange);
  });
}

function empty(id, is, text) {
  $(id).classList.toggle("empty", is);
  $(id).dataset.empty = text;
}
