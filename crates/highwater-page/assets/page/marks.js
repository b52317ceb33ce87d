/* Two moments A and B, and what changed between them. */

/** The lines; of the parts those that are no line; and pressure, as shares. */
const COMPARED = [...LINES.map(({ key, label, define }) => [key, label, define, bytes, change]),
  ...PARTS.filter(({ key }) => !["heap", "external", "rest"].includes(key))
    .map(({ key, label }) => [`part_${key}`, label, `part-${key}`, bytes, change]),
  ...STALLS.map(({ key, label, define }) => [key, `stalled, ${label}`, define, percent, percentChange])];

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
    .map(([key, label, define, format, difference]) => {
      const by = b[key] - a[key];
      return { key, define, by, cells: [label, format(a[key]), format(b[key]), difference(by)] };
    });
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
  say($("marks-lead"), joined(most ? `Most changed ${most.cells[0]}, ${change(most.by)} in ${apart}` : `${apart} apart`,
    events.length ? plural(events.length, "event") : undefined, set ? undefined : "marks A and B choose the two moments"));
  const told = rows.map((row) => ({ ...row, most: row === most }));
  settle($("marks"), table(["Number", markName("a", a), markName("b", b), "Change"], told, "What changed"));
}

function markdown() {
  const { a, b, rows, events } = compared(), { service = {} } = store.state, iso = (time) => new Date(time * 1000).toISOString();
  const cell = (text) => String(text ?? "unknown").replaceAll("|", "\\|").replaceAll("\u00a0", " ");
  const line = (...cells) => `| ${cells.map(cell).join(" | ")} |`;
  const who = [serviceName(), service.version, put("(pid ", service.pid, ")")].filter(Boolean).join(" ") || "memory";
  return [
    cell(`${who}: from ${iso(a.time)} to ${iso(b.time)}, ${duration(Math.abs(b.time - a.time))} apart`), "",
    line("Number", markName("a", a), markName("b", b), "change"), "|---|---:|---:|---:|",
    ...rows.map(({ cells }) => line(...cells)),
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
