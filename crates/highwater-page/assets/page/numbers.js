/* The numbers beside the charts. */

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
