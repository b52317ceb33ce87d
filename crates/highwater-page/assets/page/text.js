/* Numbers and times as text. Each of these gives nothing for what is unknown. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes as its digits and its unit. */
function scaled(number) {
  let value = Math.abs(number), unit = 0;
  while (value >= 1023.5 && unit < UNITS.length - 1) { value /= 1024; unit++; }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return [(number < 0 ? "−" : "") + value.toFixed(digits), UNITS[unit]];
}

const bytes = (number) => (known(number) ? scaled(number).join("\u00a0") : undefined);
const change = (number) => (known(number) ? (number > 0 ? "+" : "") + (number === 0 ? "unchanged" : bytes(number)) : undefined);
const percent = (share, digits) => {
  if (!known(share)) return undefined;
  const value = share * 100;
  if (digits === undefined && value > 0 && value < 0.05) return "<0.1\u00a0%";
  return `${value.toFixed(digits ?? (value !== 0 && Math.abs(value) < 9.95 ? 1 : 0))}\u00a0%`;
};
const percentChange = (by) => {
  if (!known(by)) return undefined;
  return Math.abs(by) < 5e-4 ? "unchanged" : (by > 0 ? "+" : "−") + percent(Math.abs(by));
};
const rate = (perSecond) => {
  if (!known(perSecond)) return undefined;
  return Math.abs(perSecond) < 1 << 20 ? `${change(Math.round(perSecond * 3600))} an hour` : `${change(perSecond)} a second`;
};
const count = (number) => (known(number) ? number.toLocaleString("en").replaceAll(",", "\u202f") : undefined);

function duration(seconds) {
  if (!known(seconds)) return undefined;
  const whole = Math.max(0, Math.round(seconds));
  const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]
    .map(([unit, size], index, all) => [unit, Math.floor((index ? whole % all[index - 1][1] : whole) / size)]);
  const first = parts.findIndex(([, value]) => value > 0);
  if (first < 0) return "0\u00a0s";
  return parts.slice(first, first + 2).filter(([, value]) => value > 0).map(([unit, value]) => `${value}\u00a0${unit}`).join(" ");
}

const short = (seconds) => {
  if (!known(seconds)) return undefined;
  return seconds < 1e-3 ? `${(seconds * 1e6).toFixed(0)}\u00a0µs` : `${(seconds * 1e3).toFixed(1)}\u00a0ms`;
};

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const clock = (time) => (known(time) ? CLOCK.format(time * 1000) : undefined);
/** With the day, where that is not the newest row's. */
const moment = (time) => {
  if (!known(time)) return undefined;
  const day = DAY.format(time * 1000);
  return day === DAY.format((store.state.time ?? time) * 1000) ? clock(time) : `${day} ${clock(time)}`;
};
const ago = (time) => {
  const now = store.state.time ?? newest();
  return known(time) && known(now) ? `${duration(now - time)} ago` : undefined;
};
const joined = (...parts) => parts.filter(Boolean).join(" · ") || undefined;
/** A text with words around it, where there is one. */
const put = (before, text, after = "") => (text === undefined ? undefined : `${before}${text}${after}`);
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
