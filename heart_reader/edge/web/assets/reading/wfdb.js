// WFDB: a header and the signal files that it names. As data/formats/families/wfdb_*.py.
// https://wfdb.io/spec/header-files.html and https://wfdb.io/spec/signal-files.html

import { ReadError, chooseLeads } from "./leads.js";
import { factorToMv, requireRate, requireSamples } from "./units.js";

const NUMBER = "[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?";
const RATE = new RegExp(`^(${NUMBER})(?:/.*)?$`);
const FORMAT = /^(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$/;
const GAIN = new RegExp(`^(${NUMBER})(?:\\(([-+]?\\d+)\\))?(?:/(\\S+))?$`);
const DEFAULT_FS = 250;
// Bytes a sample, and the step that says that there is none.
const FORMATS = {
  16: [2, -32768], 61: [2, -32768], 160: [2, -32768], 80: [1, -128], 212: [1.5, -2048],
  24: [3, -8388608], 32: [4, -2147483648],
};

/** Whether a text begins as a header: a record line, then a signal or segment line. */
export function isHeader(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const [record, signal] = lines.filter((line) => line && !line.startsWith("#")).map((l) => l.split(/\s+/));
  if (!record || !signal || record.length < 2 || signal.length < 2) return false;
  const counts = /^\d+$/.test(record[1]) && (record.length < 3 || RATE.test(record[2]));
  return counts && FORMAT.test(signal[1]) && !/^[-+]?[\d.]+(?:[eE][-+]?\d+)?[,;]?$/.test(signal[0]);
}

/** `{fs, nFrames, signals}` of a header's text; fs null where it has none. */
export function parseHeader(text, name) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/).map((line) => line.trim());
  const rest = lines.filter((line) => line && !line.startsWith("#"));
  if (!rest.length) throw new ReadError(`${name} can't be read: its header is empty`);
  const words = rest[0].split(/\s+/);
  const nSignals = Number(words[1]);
  const rate = words.length > 2 ? RATE.exec(words[2]) : null;
  const fs = rate ? Number(rate[1]) : null;
  const nFrames = words.length > 3 ? Number(words[3]) : 0;
  const broken = !Number.isInteger(nSignals) || nSignals < 1 || nSignals > 512 || !(nFrames >= 0);
  if (broken || (words.length > 2 && !(fs > 0))) {
    throw new ReadError(`${name} can't be read: record line '${rest[0].slice(0, 80)}'`);
  }
  if (/\/\d+$/.test(words[0]) && rest.slice(1).every((line) => line.split(/\s+/).length === 2)) {
    throw new ReadError(`${name} is a record of several segments, which this page doesn't read`);
  }
  if (rest.length - 1 < nSignals) {
    throw new ReadError(
      `${name} can't be read: its header claims ${nSignals} signals and describes ${rest.length - 1}`,
    );
  }
  return { fs, nFrames, signals: rest.slice(1, nSignals + 1).map((line) => signalLine(line, name)) };
}

function signalLine(line, name) {
  const words = line.split(/\s+/);
  const format = FORMAT.exec(words[1] ?? "");
  const gain = GAIN.exec(words[2] ?? "0");
  const wholes = words.slice(4, 7).map(Number);
  if (!format || !gain || !wholes.every(Number.isInteger)) {
    throw new ReadError(`${name} can't be read: signal line '${line.slice(0, 80)}'`);
  }
  return {
    file: words[0], format: format[1], perFrame: Number(format[2] ?? 1) || 1,
    skew: Number(format[3] ?? 0), offset: Number(format[4] ?? 0),
    gain: Number(gain[1]), baseline: Number(gain[2] ?? words[4] ?? 0), unit: gain[3] ?? "mV",
    initial: words.length > 5 ? wholes[1] : null,
    checksum: words.length > 6 ? wholes[2] & 0xffff : null,
    lead: words.slice(8).join(" "),
  };
}

/**
 * The record of a header.
 * `find(file)` gives the bytes of a signal file, null where the user chose none of that name.
 */
export function readWfdb(name, text, find, asked) {
  const header = parseHeader(text, name);
  const notes = [];
  let fs = header.fs ?? asked.rate;
  if (!fs) {
    fs = DEFAULT_FS;
    notes.push(`no sampling rate in the header: WFDB's default, ${DEFAULT_FS} Hz`);
  }
  requireRate(name, fs);
  const chosen = chooseLeads(header.signals.map((line) => line.lead));
  const rates = new Set(chosen.columns.map((column) => header.signals[column].perFrame));
  if (rates.size > 1) throw new ReadError(`${name} has leads of different sampling rates`);
  const signal = {};
  for (const file of new Set(chosen.columns.map((column) => header.signals[column].file))) {
    const lines = header.signals.filter((line) => line.file === file);
    const steps = stepsOf(name, file, lines, header.nFrames, find);
    chosen.columns.forEach((column, k) => {
      const at = lines.indexOf(header.signals[column]);
      if (at < 0) return;
      const lead = chosen.leads[k];
      checkSums(name, lead, lines[at], steps[at]);
      signal[lead] = millivolts(name, lead, lines[at], steps[at], chosen.signs[k], asked, notes);
    });
  }
  const [perFrame = 1] = rates;
  const n = Math.max(0, ...Object.values(signal).map((row) => row.length));
  const rate = fs * perFrame;
  return {
    name, kind: "WFDB", leads: chosen.leads, signal, fs: rate, seconds: n / rate,
    others: chosen.others, notes: [...chosen.notes, ...notes],
  };
}

/** Steps of the converter of each channel of a file, an Int32Array each. */
function stepsOf(name, file, lines, claimed, find) {
  const bytes = find(file);
  if (bytes === null) {
    throw new ReadError(`${name} needs the file ${file} as well: choose header and signal file together`);
  }
  const { format, offset } = lines[0];
  if (!(format in FORMATS) || lines.some((line) => line.format !== format)) {
    const found = [...new Set(lines.map((line) => line.format))].join(", ");
    throw new ReadError(`${name} has the signal format ${found}; ${Object.keys(FORMATS).join(", ")} are read`);
  }
  const perFrame = lines.reduce((sum, line) => sum + line.perFrame, 0);
  const there = Math.max(0, Math.floor((bytes.length - offset) / (FORMATS[format][0] * perFrame)));
  if (claimed > there) {
    throw new ReadError(`${name} is cut short: ${file} ends after ${there} of ${claimed} samples`);
  }
  const nFrames = claimed || there;
  requireSamples(name, perFrame, nFrames);
  const all = decoded(bytes.subarray(offset), format, nFrames * perFrame);
  let first = 0;
  return lines.map((line) => {
    const own = new Int32Array(nFrames * line.perFrame);
    for (let frame = 0, k = 0; frame < nFrames; frame++) {
      for (let s = 0; s < line.perFrame; s++) own[k++] = all[frame * perFrame + first + s];
    }
    first += line.perFrame;
    return own;
  });
}

function decoded(bytes, format, n) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const one = {
    16: (k) => view.getInt16(2 * k, true),
    61: (k) => view.getInt16(2 * k, false),
    160: (k) => view.getUint16(2 * k, true) - 32768,
    80: (k) => bytes[k] - 128,
    24: (k) => (view.getUint16(3 * k, true) | (bytes[3 * k + 2] << 16)) << 8 >> 8,
    32: (k) => view.getInt32(4 * k, true),
    212: (k) => {
      const at = (k >> 1) * 3;
      const high = k & 1 ? (bytes[at + 1] & 0xf0) << 4 : (bytes[at + 1] & 0x0f) << 8;
      return ((high | bytes[k & 1 ? at + 2 : at]) << 20) >> 20;
    },
  }[format];
  return Int32Array.from({ length: n }, (_, k) => one(k));
}

function checkSums(name, lead, line, steps) {
  if (!steps.length || line.checksum === null || (line.checksum === 0 && !line.initial)) return;
  let sum = 0;
  for (const step of steps) sum = (sum + step) & 0xffff;
  if (sum !== line.checksum) {
    throw new ReadError(
      `${name}: the checksum of lead ${lead} is ${sum}, its header says ${line.checksum}: the ` +
      "signal file or the header was changed or damaged",
    );
  }
}

function millivolts(name, lead, line, steps, sign, asked, notes) {
  let { gain } = line;
  let factor = gain ? factorToMv(name, lead, line.unit) : 1;
  if (!gain) {
    if (!asked.gain) {
      throw new ReadError(
        `${name}: lead ${lead} has gain 0, which means uncalibrated: say the steps per mV ` +
        "(WFDB's programs assume 200)", "gain",
      );
    }
    gain = asked.gain;
    const note = `uncalibrated: ${gain} steps per mV, as you said`;
    if (!notes.includes(note)) notes.push(note);
  }
  factor *= sign;
  const none = FORMATS[line.format][1];
  const start = line.skew * line.perFrame;
  return Float64Array.from({ length: steps.length }, (_, k) => {
    const step = k + start < steps.length ? steps[k + start] : none;
    return step === none ? NaN : ((step - line.baseline) / gain) * factor;
  });
}
