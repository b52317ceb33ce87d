/* Puts it all together. */

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
