/* A definition beside its word: by pointer or focus, within reach of the pointer, closed by Escape. */

let tipTimer = 0, tipWord;

function showTip(word) {
  clearTimeout(tipTimer);
  tipWord = word;
  const tip = $("tip"), { left, top, bottom } = word.getBoundingClientRect();
  say(tip, $(word.getAttribute("aria-describedby"))?.textContent);
  tip.hidden = !tip.textContent;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  tip.style.top = `${bottom + height + 10 > innerHeight ? Math.max(4, top - height - 6) : bottom + 6}px`;
}

function hideTip() {
  clearTimeout(tipTimer);
  $("tip").hidden = true;
}

function definitions() {
  for (const word of document.querySelectorAll("[data-term]")) word.setAttribute("aria-describedby", `def-${word.dataset.term}`);
  const word = (event) => event.target.closest?.("[aria-describedby^=def-]");
  const leave = () => { clearTimeout(tipTimer); tipTimer = setTimeout(hideTip, 200); };
  document.addEventListener("pointerover", (event) => {
    if (word(event)) showTip(word(event)); else if (event.target.id === "tip") clearTimeout(tipTimer);
  });
  document.addEventListener("pointerout", (event) => { if (word(event) || event.target.id === "tip") leave(); });
  document.addEventListener("focusin", (event) => { if (word(event)) showTip(word(event)); else hideTip(); });
  document.addEventListener("click", (event) => {
    if (word(event)) showTip(word(event)); else if (event.target.id !== "tip") hideTip();
  });
  // The focus may scroll: the definition goes with its word.
  addEventListener("scroll", () => { if (!$("tip").hidden) showTip(tipWord); }, { passive: true });
}
