// Text tables: a column or a row for each lead. As data/formats/families/csv_*.py.

import { MISSING, NUMERAL, areCounted, clockRate, columnsOf, isNumber, rateSaid } from "./columns.js";
import { LEADS, ReadError } from "./leads.js";
import { fromTable, requireRate, requireSamples } from "./units.js";

const WIDE = 200; // fields of a line that are samples of one lead, not leads
const COMMENT = /^\s*(?:#|%|\/\/)/;

export function readCsv(name, text, asked) {
  const dialect = dialectOf(text, name);
  const table = dialect.wide ? wideTable(name, dialect, asked) : tallTable(name, dialect, asked);
  return fromTable({ kind: "CSV", ...table }, asked);
}

/** How the table is written, and its rows as fields. */
function dialectOf(text, name) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const comments = [];
  let skip = 0;
  for (; skip < lines.length && (!lines[skip].trim() || COMMENT.test(lines[skip])); skip++) {
    comments.push(lines[skip].trim().replace(/^[#%/ \t]+/, ""));
  }
  const body = lines.slice(skip).filter((line) => line.trim() && !line.startsWith("#"));
  if (!body.length || !/\d/.test(text)) {
    throw new ReadError(`${name} can't be read: there is no row of numbers in it`);
  }
  const head = body.slice(0, 20);
  const separator = [";", "\t", ",", "|"].find((mark) => 2 * head.filter((l) => l.includes(mark)).length > head.length) ?? /\s+/;
  const decimal = separator !== "," && /\d,\d/.test(head.join(" ")) ? "," : ".";
  const rows = body.map((line) => fieldsOf(line, separator));
  let header = null;
  let units = null;
  if (isHeaderRow(rows[0], rows[1], decimal)) {
    header = rows.shift();
    if (rows.length && !rows[0].slice(1).some((field) => isNumber(field, decimal))) units = rows.shift();
  }
  if (!rows.length) throw new ReadError(`${name} can't be read: there is no row of numbers in it`);
  const first = rows.slice(0, 50);
  const wide = Math.max(...first.map((row) => row.length)) >= WIDE;
  return { comments, header, units, rows, first, decimal, wide };
}

function fieldsOf(line, separator) {
  const text = typeof separator === "string" ? line : line.trim();
  return text.split(separator).map((field) => field.trim().replace(/^["']+|["']+$/g, "").trim());
}

function isHeaderRow(fields, following, decimal) {
  if (!fields.every((field) => isNumber(field, decimal))) return fields.length < WIDE;
  return areCounted(fields) && following !== undefined;
}

function valueOf(name, field, dialect, row) {
  const word = dialect.decimal === "," ? field.replaceAll(",", ".") : field;
  if (word === undefined || MISSING.has(word.toLowerCase())) return NaN;
  if (!NUMERAL.test(word)) {
    throw new ReadError(`${name} has a value that is no number: '${field.slice(0, 40)}' in row ${row + 1}`);
  }
  return Number(word);
}

// ---------------------------------------------------------------- a column for each lead

function tallTable(name, dialect, asked) {
  const { names, units, clock, notes } = columnsOf(name, dialect);
  const fs = rate(name, dialect, asked, clock === null ? null : clockRate(dialect, clock), notes);
  const wanted = names.map((_, k) => k).filter((k) => names[k] !== null);
  requireSamples(name, wanted.length, dialect.rows.length);
  const rows = wanted.map((column) =>
    Float64Array.from(dialect.rows, (row, k) => valueOf(name, row[column] ?? "", dialect, k)));
  return {
    name, rows, fs, notes,
    names: wanted.map((k) => names[k]),
    units: wanted.map((k) => units[k] ?? null),
  };
}

/** Hz as the file says it, else as the user does. */
function rate(name, dialect, asked, clock, notes) {
  const said = rateSaid(dialect.comments);
  for (const [source, value] of [["a comment", said], ["the column of times", clock]]) {
    if (value === null) continue;
    const fs = Number(value.toFixed(3));
    requireRate(name, fs);
    if (asked.rate && Math.abs(fs - asked.rate) > 0.01 * fs) {
      throw new ReadError(`${name}: you say ${asked.rate} Hz, ${source} says ${fs} Hz`, "rate");
    }
    notes.push(`${fs} Hz from ${source}`);
    return fs;
  }
  if (!asked.rate) throw new ReadError(`${name}: a CSV file doesn't say its sampling rate: say it`, "rate");
  requireRate(name, asked.rate);
  return asked.rate;
}

// ---------------------------------------------------------------- a line for each lead

function wideTable(name, dialect, asked) {
  const notes = [];
  const fs = rate(name, dialect, asked, null, notes);
  let names = [];
  const found = [];
  dialect.rows.slice(0, 64).forEach((fields, row) => {
    while (fields.length && !fields.at(-1)) fields.pop();
    const titled = fields.length > 0 && !isNumber(fields[0], dialect.decimal);
    names.push(titled ? fields[0] : "");
    found.push(fields.slice(titled ? 1 : 0).map((field) => valueOf(name, field, dialect, row)));
  });
  if (!names.some(Boolean)) {
    if (found.length !== LEADS.length) {
      throw new ReadError(`${name} must have ${LEADS.length} rows, but has ${found.length}`);
    }
    names = [...LEADS];
    notes.push("a row for each lead, taken as I to V6");
  }
  const longest = Math.max(...found.map((row) => row.length));
  requireSamples(name, found.length, longest);
  const rows = found.map((row) => Float64Array.from({ length: longest }, (_, k) => row[k] ?? NaN));
  return { name, rows, fs, notes, names, units: names.map(() => null) };
}
