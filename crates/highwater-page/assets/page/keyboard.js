/* The keyboard: every act has a key, and the keys can be turned off. */

function openHelp() { $("help").showModal(); }

const KEYS = {
  p: pause, l: toLimit, c: copy, x: clearMarks, 0: () => zoom(null), t: () => nextTheme(), "?": openHelp,
  a: () => setMark("a"), b: () => setMark("b"), "+": () => zoomBy(0.5), "=": () => zoomBy(0.5), "-": () => zoomBy(2),
  ...Object.fromEntries([60, 300, 900, 3600, 21600].map((seconds, index) => [index + 1, () => setWindow(seconds)])),
};
const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    hideTip();
    if (view.cursor !== null) leaveCursor();
    return;
  }
  if ($("help").open || event.target.matches("textarea")) return;
  if (event.target === $("timeline") && event.key in MOVES) {
    event.preventDefault();
    return step(MOVES[event.key] * (event.shiftKey ? 10 : 1));
  }
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : KEYS[event.key.toLowerCase()];
  if (!act || event.repeat || !$("keys-on").checked) return;
  event.preventDefault();
  act();
}
