/* Delivery, the agent's own cost, and the numbers beside the four. */

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
