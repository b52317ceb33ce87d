/* What is painted on a chart beside its lines: levels, events, marks, names. */

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
