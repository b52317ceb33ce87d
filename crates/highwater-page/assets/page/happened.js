/* What happened: episodes, heap profiles, the run before, events. */

const GLYPHS = {
  "highwater.memory.episode.begun": "▲", "highwater.memory.episode.changed": "◆", "highwater.memory.episode.ended": "▽",
  "highwater.memory.growth.detected": "↗", "highwater.memory.oom_kill": "✕", "highwater.capture.written": "●",
  "highwater.capture.refused": "○", "highwater.previous_run.ended": "↺", "highwater.source.unavailable": "?",
  "highwater.source.recovered": "✓",
};
const SEVERITIES = { info: "info", warn: "watch", error: "bad" };

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
