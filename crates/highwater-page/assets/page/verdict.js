/* The verdict, the limit and its levels, and who it is about. */

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
  const up = (store.state.time ?? newest()) - service.started;
  for (const [id, value] of [["pid", service.pid], ["up", duration(up)]]) {
    $(id).hidden = value === undefined;
    say($(id).lastElementChild, String(value ?? ""));
  }
  say($("agent"), agent);
  const [state, text] = linkState();
  $("link").dataset.state = state;
  say($("link-text"), text);
}

function linkState() {
  if (offline) return ["still", known(newest()) ? `Saved ${new Date(newest() * 1000).toLocaleString()}` : "Saved"];
  if (link.away) return ["away", `${refusal(link.away.status) ? `Answered ${link.away.status}` : "No answer"}, trying again`];
  if (link.polls) return ["wait", "Too many follow it: every 15 s"];
  return store.state.verdict ? ["live", "Live"] : ["wait", "Connecting"];
}

/** What a refusal means, by its status: who refuses does run. */
const REFUSALS = {
  401: { title: "It asks who you are", next: "Open it by the address that has its token, or log in." },
  403: { title: "It refuses this address", next: "Open it by a name that it knows: HIGHWATER_PAGE_HOSTS." },
  503: { title: "Too many look at once, or the page is off", next: "Close tabs that nobody needs, or wait." },
};
const refusal = (status) => (status >= 400
  ? REFUSALS[status] ?? { title: `It answers ${status}`, next: "Look what stands between this page and the service." } : undefined);

/** The agent's verdict; while the service does not answer, that, since a verdict of the past is none. */
function currentVerdict() {
  const { verdict } = store.state;
  const silence = performance.now() - link.heard;
  if (!link.away || silence < UNHEARD) return verdict;
  const { why, status } = link.away, refused = refusal(status);
  const { title, next } = refused ?? { title: "No answer", next: "Look whether it still runs." };
  const lead = `The service has ${refused ? "shown nothing" : "not answered"} for ${duration(silence / 1000)}.`;
  return {
    kind: "away", tone: "unknown", title,
    reason: lead + (why ? ` Last try: ${why}.` : "")
      + (verdict ? ` Its last verdict, at ${moment(store.state.time)}: ${verdict.title}.` : ""),
    next: `${next} This page tries again by itself.`,
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
