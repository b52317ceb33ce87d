/* Dark, light, or as the system has it. */

const THEMES = ["system", "light", "dark"];

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
  say($("theme"), { system: "◐", light: "○", dark: "●" }[theme]);
  $("theme").setAttribute("aria-label", `Theme: ${theme}`);
  $("theme").title = `Theme: ${theme}`;
  remember("theme", theme);
  recolour();
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(remember("theme") ?? document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length]);
}

function recolour() {
  colours.clear();
  draw();
}
