// Units of voltage, and tables of numbers as a recording in mV. As data/formats/units.py, matrix.py.

import { ReadError, chooseLeads } from "./leads.js";

export const UNITS = { mV: 1, uV: 1e-3, V: 1e3, nV: 1e-6 };
const WORDS = {
  mv: "mV", uv: "uV", v: "V", nv: "nV",
  "μv": "uV", "âµv": "uV", "âμv": "uV", mcv: "uV", microvolt: "uV", microvolts: "uV",
  millivolt: "mV", millivolts: "mV", volt: "V", volts: "V", nanovolt: "nV",
};
const LOWEST_MV = 0.1, HIGHEST_MV = 10; // peak to peak of an ECG's middle lead
const LOWEST_FS = 50, HIGHEST_FS = 10000; // Hz
const LARGEST = 50_000_000; // values of all leads together

/** A key of UNITS that a text names, null for any other. */
export function unitOf(text) {
  return WORDS[text.trim().normalize("NFKC").toLowerCase()] ?? null;
}

/** What samples in a unit are multiplied with to be mV. */
export function factorToMv(name, lead, text) {
  const unit = unitOf(text);
  if (unit === null) {
    const known = Object.keys(UNITS).join(", ");
    throw new ReadError(`${name} has the unit '${text}' in lead ${lead}; known are ${known}`);
  }
  return UNITS[unit];
}

export function requireRate(name, fs) {
  if (!(fs >= LOWEST_FS && fs <= HIGHEST_FS)) {
    throw new ReadError(`${name} must have ${LOWEST_FS} to ${HIGHEST_FS} Hz, but has ${fs} Hz`, "rate");
  }
}

export function requireSamples(name, nChannels, nTimes) {
  if (!(nChannels > 0 && nChannels <= 512 && nTimes >= 0 && nChannels * nTimes <= LARGEST)) {
    throw new ReadError(`${name} claims ${nChannels} channels of ${nTimes} samples: too many`);
  }
}

/** numpy's quantile with linear interpolation, of a rising array. */
export function quantileOf(sorted, q) {
  const place = q * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

export function medianOf(values) {
  return quantileOf(Float64Array.from(values).sort(), 0.5);
}

/** Peak to peak of the middle lead, without the largest and smallest thousandth. */
export function amplitude(rows) {
  const sizes = [];
  for (const row of rows) {
    const known = row.filter(Number.isFinite).sort();
    if (known.length) sizes.push(quantileOf(known, 0.999) - quantileOf(known, 0.001));
  }
  return sizes.length ? medianOf(sizes) : 0;
}

/** `{factor, note}` of samples that came without a unit, by their amplitude. */
export function judgeUnit(name, rows) {
  const size = amplitude(rows);
  const fits = (mv) => mv >= LOWEST_MV && mv <= HIGHEST_MV;
  const found = `the middle lead's amplitude is ${Number(size.toPrecision(3))}`;
  if (fits(size)) return { factor: 1, note: `no unit in the file: taken as mV (${found})` };
  if (fits(size / 1e3)) return { factor: 1e-3, note: `no unit in the file: taken as uV (${found})` };
  if (size === 0) throw new ReadError(`${name} has no signal: its leads are flat`);
  const likely = fits(size * 1e3) ? " (an ECG in V has such values)" : "";
  throw new ReadError(
    `${name} doesn't say its unit, and ${found}, which fits neither mV nor uV${likely}: choose it`,
    "unit",
  );
}

/**
 * The leads of a table in mV; where it has no unit, as the user or the amplitude says.
 * `table`: name, kind, names, rows (Float64Array a channel), units (null: unsaid), fs, notes.
 */
export function fromTable(table, asked) {
  const chosen = chooseLeads(table.names);
  const notes = [...table.notes, ...chosen.notes];
  const rows = chosen.columns.map((column) => table.rows[column]);
  const units = chosen.columns.map((column) => table.units[column]);
  let factors;
  if (units.includes(null) && rows.length) {
    const judged = asked.unit ? { factor: UNITS[asked.unit] } : judgeUnit(table.name, rows);
    factors = rows.map(() => judged.factor);
    if (judged.note) notes.push(judged.note);
  } else {
    factors = units.map((unit, k) => factorToMv(table.name, chosen.leads[k], unit));
    if (asked.unit && rows.length && units.some((unit) => unitOf(unit) !== asked.unit)) {
      notes.push(`the file says its unit itself: the choice of ${asked.unit} isn't used`);
    }
  }
  const signal = {};
  chosen.leads.forEach((lead, k) => {
    const scale = factors[k] * chosen.signs[k];
    signal[lead] = scale === 1 ? rows[k] : rows[k].map((value) => value * scale);
  });
  const { name, kind, fs } = table;
  const seconds = Math.max(0, ...rows.map((row) => row.length)) / fs;
  return { name, kind, leads: chosen.leads, signal, fs, seconds, others: chosen.others, notes };
}
