// JSON: leads by name, or a list of lists. As data/formats/families/json_text.py and bag.py.

import { LEADS, ReadError, leadOf } from "./leads.js";
import { fromTable, requireRate, requireSamples } from "./units.js";

const SIGNALS = ["signal", "signals", "ecg", "val", "p_signal", "tracings", "data", "x", "waveform"];
const RATES = ["fs", "sampling_rate", "sampling_frequency", "sample_rate", "samplingrate", "freq", "hz"];
const NAMES = ["leads", "lead_names", "sig_name", "channels", "channel_names", "columns"];

export function readJson(name, text, asked) {
  let found;
  try {
    found = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    throw new ReadError(`${name} can't be read as JSON: it is damaged`);
  }
  const bag = flattened(found, name);
  const fs = rateOf(bag, name, asked);
  const byLead = Object.keys(bag).filter((key) => leadOf(key) && isNumbers(bag[key]));
  const notes = [];
  let names = namesOf(bag);
  let rows;
  if (byLead.length > 1) {
    names = byLead;
    rows = byLead.map((key) => numbers(bag[key], name));
    if (new Set(rows.map((row) => row.length)).size > 1) {
      throw new ReadError(`${name} has leads of different lengths`);
    }
  } else {
    rows = oriented(signalOf(bag, name), names.length || LEADS.length, name);
    if (!names.length) {
      names = LEADS;
      notes.push("no names of leads: taken as I to V6");
    }
  }
  requireSamples(name, rows.length, rows[0].length);
  const said = pick(bag, ["unit", "units"]);
  const word = Array.isArray(said) ? said[0] : said;
  const unit = typeof word === "string" && word.trim() ? word.trim() : null;
  return fromTable({ name, kind: "JSON", names, rows, units: names.map(() => unit), fs, notes }, asked);
}

function flattened(found, name) {
  if (Array.isArray(found)) return { signal: found };
  if (found === null || typeof found !== "object") {
    throw new ReadError(`${name} must hold a list or an object, as JSON`);
  }
  const bag = { ...found };
  for (const key of ["leads", "signal", "signals", "ecg"]) {
    const inner = bag[key];
    if (inner && typeof inner === "object" && !Array.isArray(inner)) {
      delete bag[key];
      Object.assign(bag, inner);
    }
  }
  return bag;
}

/** The value of the first key that is there, in any case of letters. */
function pick(bag, keys) {
  const lower = Object.fromEntries(Object.entries(bag).map(([key, v]) => [key.toLowerCase(), v]));
  return keys.map((key) => lower[key]).find((value) => value !== undefined);
}

function rateOf(bag, name, asked) {
  const said = pick(bag, RATES);
  const fs = Number(Array.isArray(said) && said.length === 1 ? said[0] : said ?? NaN);
  const rate = fs > 0 ? fs : asked.rate;
  if (!rate) throw new ReadError(`${name} doesn't say its sampling rate: say it`, "rate");
  requireRate(name, rate);
  return rate;
}

function namesOf(bag) {
  let value = pick(bag, NAMES);
  if (typeof value === "string") value = value.trim().split(/[,;\s]+/);
  const words = Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
  return words ? value : [];
}

function isNumbers(value) {
  return Array.isArray(value) && value.length > 1 && value.every((v) => v === null || typeof v === "number");
}

function signalOf(bag, name) {
  let found = pick(bag, SIGNALS);
  if (found === undefined) {
    const large = Object.values(bag).filter((value) => Array.isArray(value) && Array.isArray(value[0]));
    if (large.length !== 1) {
      const has = Object.keys(bag).slice(0, 8).join(", ") || "none";
      throw new ReadError(`${name} must have an array named signal, but has ${has}`);
    }
    [found] = large;
  }
  if (Array.isArray(found?.[0]?.[0])) {
    if (found.length !== 1) throw new ReadError(`${name} holds ${found.length} records: this page reads one`);
    [found] = found;
  }
  if (!Array.isArray(found) || !found.length || !found.every(Array.isArray)) {
    throw new ReadError(`${name} must hold an array of leads and times`);
  }
  return found;
}

function oriented(table, nLeads, name) {
  const wide = table[0].length;
  if (table.some((row) => row.length !== wide)) throw new ReadError(`${name} has rows of different lengths`);
  if (table.length === nLeads) return table.map((row) => numbers(row, name));
  if (wide !== nLeads) {
    throw new ReadError(
      `${name} must have ${nLeads} leads along one axis, but its array is ${table.length} x ${wide}`,
    );
  }
  return Array.from({ length: nLeads }, (_, lead) => numbers(table.map((row) => row[lead]), name));
}

function numbers(values, name) {
  return Float64Array.from(values, (value) => {
    if (value === null) return NaN;
    if (typeof value !== "number") throw new ReadError(`${name} has a value that is no number: ${JSON.stringify(value).slice(0, 40)}`);
    return value;
  });
}
