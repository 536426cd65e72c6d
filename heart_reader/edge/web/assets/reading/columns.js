// Which column of a text table is which lead, in what unit, and how fast it was sampled.

import { LEADS, ReadError, leadOf } from "./leads.js";
import { unitOf } from "./units.js";

export const NUMERAL = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;
export const MISSING = new Set(["", "nan", "na", "n/a", "null", "none", "-", "inf", "-inf"]);
const FS = /\b(?:fs|sampling[ _]?(?:rate|frequency)|sample[ _]?rate)\b[ \t]*(?:\(hz\))?[ \t]*[:=,;]?[ \t]*(\d+(?:\.\d+)?)[ \t]*(khz|hz)?(?=$|[\s,;])/i;
const NAME_AND_UNIT = /^(.*?)\s*(?:[([]\s*([^)\]]+?)\s*[)\]]|[ _/.]([mun\u00b5\u03bc]V))$/i;
const CLOCKS = new Set(["", "time", "t", "index", "idx", "sample", "samples", "timestamp", "n", "unnamed: 0"]);
const SECONDS = { s: 1, sec: 1, secs: 1, second: 1, seconds: 1, ms: 1e-3, us: 1e-6 };

/** `names` (null: no lead's) and `units` of each column, `clock` (a column or null), `notes`. */
export function columnsOf(name, dialect) {
  let n = Math.max(...dialect.first.map((row) => row.length));
  while (n && dialect.first.every((row) => (row[n - 1] ?? "") === "")) n--; // a comma at every line's end
  if (dialect.header !== null && !areCounted(dialect.header)) return named(name, dialect, n);
  const clock = n === LEADS.length + 1 && isClock(dialect) ? 0 : null;
  if (n - (clock === 0 ? 1 : 0) !== LEADS.length) {
    throw new ReadError(
      `${name} must have ${LEADS.length} columns, but has ${n} (with a header that names its ` +
      "leads it may have others)",
    );
  }
  const what = dialect.header === null ? "no header" : "a header of numbers";
  const names = [...(clock === 0 ? [null] : []), ...LEADS];
  return { names, units: names.map(() => null), clock, notes: [`${what}: columns taken as I to V6`] };
}

function named(name, dialect, n) {
  let header = [...dialect.header];
  while (header.length > n && !header.at(-1)) header.pop();
  if (n === header.length + 1 && isClock(dialect)) header = ["", ...header]; // R names its rows
  if (n > header.length) {
    throw new ReadError(`${name} has ${n} columns, but its header names ${header.length}`);
  }
  const names = [];
  const units = [];
  let clock = null;
  header.forEach((field, column) => {
    const [text, own] = nameAndUnit(field);
    const isTime = column === 0 && leadOf(text) === null && isClockName(text);
    if (isTime) clock = 0;
    names.push(isTime ? null : text);
    units.push(own ?? dialect.units?.[column] ?? null);
  });
  return { names, units, clock, notes: [] };
}

function nameAndUnit(field) {
  const found = NAME_AND_UNIT.exec(field);
  const unit = found ? found[2] ?? found[3] : undefined;
  const known = unit !== undefined && (unitOf(unit) !== null || unit.toLowerCase() in SECONDS);
  return known ? [found[1], unit] : [field, null];
}

function isClockName(text) {
  const word = text.trim().toLowerCase();
  return CLOCKS.has(word.split("_")[0].split(" ")[0]) || word.includes("time");
}

/** Whether the first column rises by the same step in every row. */
function isClock(dialect) {
  const values = clockValues(dialect);
  if (values.length < 3) return false;
  const steps = values.slice(1).map((value, k) => value - values[k]);
  const most = Math.max(...steps), least = Math.min(...steps);
  return least > 0 && most - least <= 0.01 * most + 1e-9;
}

function clockValues(dialect) {
  const words = dialect.first.map((row) => row[0].replaceAll(",", "."));
  return words.every((word) => word && isNumber(word, ".")) ? words.map(Number) : [];
}

/** Hz, where the column of times says its unit, or its steps can only be seconds; else null. */
export function clockRate(dialect, clock) {
  const values = clockValues(dialect);
  if (!isClock(dialect)) return null;
  const step = (values.at(-1) - values[0]) / (values.length - 1);
  const title = dialect.header ? dialect.header[clock].toLowerCase() : "";
  const unit = nameAndUnit(title)[1] ?? title.split("_").at(-1);
  if (unit in SECONDS) return 1 / (step * SECONDS[unit]);
  return step < 0.05 ? 1 / step : null; // a step of 1 may be a sample or a millisecond
}

/** Hz by the first comment that says it, else null. */
export function rateSaid(comments) {
  const found = comments.map((comment) => FS.exec(comment)).find(Boolean);
  return found ? Number(found[1]) * ((found[2] ?? "").toLowerCase() === "khz" ? 1e3 : 1) : null;
}

// ---------------------------------------------------------------- fields

export function isNumber(field, decimal) {
  const word = decimal === "," ? field.replaceAll(",", ".") : field;
  return NUMERAL.test(word) || MISSING.has(field.toLowerCase());
}

/** Whether fields are 0, 1, 2 ... or 1, 2, 3 ...: numbers of columns, as pandas writes them. */
export function areCounted(fields) {
  const numbers = fields.filter((field) => field);
  if (numbers.length < 3 || fields.length - numbers.length > 1) return false;
  return [0, 1].some((from) => numbers.every((field, k) => field === String(k + from)));
}
