/* Elements, made and changed. What is in them is text or other elements, never markup. */

const $ = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name in element) element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

function shape(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const icon = (tone) => shape("svg", { class: "tone", "aria-hidden": "true" }, shape("use", { href: `#tone-${tone}` }));

/** Sets a text only where it differs: what a reader selected or focused stays. */
function say(element, text = "") {
  if (element.textContent !== text) element.textContent = text;
}

/** A word with a definition, which the glossary has. */
function term(key, label) {
  return make("button", { type: "button", className: "term", "aria-describedby": `def-${key}` }, label);
}

function tell(text) { say($("say"), text); }

/** Rows of a list of definitions, kept from one update to the next; one without a value is not there. */
function facts(list, rows) {
  for (const [key, label, value] of rows) {
    let row = [...list.children].find((each) => each.dataset.key === label);
    if (!row) {
      row = make("div", {}, make("dt", {}, term(key, label)), make("dd"));
      row.dataset.key = label;
      list.append(row);
    }
    row.hidden = value === undefined;
    say(row.lastChild, value);
  }
}

function table(head, rows, caption) {
  return make("table", {}, make("caption", { className: "hidden" }, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map(({ cells: [first, ...rest], define, most }) => make("tr", { className: most ? "most" : "" },
      make("th", { scope: "row" }, term(define, first)), ...rest.map((text) => make("td", {}, text ?? "unknown"))))));
}

/** Puts a table there. Of one with the same rows only the words change: a label that has the focus keeps it. */
function settle(root, built) {
  const old = root.querySelector("table"), words = (table, which) => [...table.querySelectorAll(which)];
  const labels = (table) => words(table, "tbody th").map((each) => each.textContent).join();
  if (!old || labels(old) !== labels(built)) return root.replaceChildren(built);
  const after = words(built, "caption, thead th, td");
  words(old, "caption, thead th, td").forEach((each, index) => say(each, after[index].textContent));
  [...built.rows].forEach(({ className }, index) => { old.rows[index].className = className; });
}

/** Parts with dots between them, each a text or a list of texts and elements; what is unknown is left out. */
const dotted = (...parts) => parts.filter(Boolean).flatMap((part, index) => [index ? " · " : "", part].flat());
/** A number with its word, which has a definition. */
const labelled = (key, label, text) => text && [term(key, label), `\u00a0${text}`];

/** A link to a trace, where a Jaeger is configured; only to there. */
function traceLink(id) {
  const base = store.state.links?.jaeger;
  if (!/^https?:\/\//.test(base ?? "") || !/^[0-9a-f]{32}$/.test(id ?? "")) return undefined;
  return make("a", { href: `${base.replace(/\/+$/, "")}/trace/${id}`, target: "_blank", rel: "noreferrer" }, "Trace in Jaeger");
}

/** What is remembered is a comfort: a browser that keeps nothing is no error. */
function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(`highwater.${key}`);
    localStorage.setItem(`highwater.${key}`, value);
  } catch { /* a file, or a private window */ }
  return null;
}
