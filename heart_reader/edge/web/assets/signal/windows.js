// From a recording to what the model reads. As data/recordings/model_input.py and windows.py.

import { ReadError, otherSystem } from "../reading/leads.js";
import { requireRate } from "../reading/units.js";
import { LONGEST_BRIDGE, bridged, describeGap, gapsOf, longestOf, runsOf } from "./gaps.js";
import { LIMB_LEADS, MOST_CONTRADICTION, computedLimbs, contradiction } from "./limb.js";
import { resampled } from "./resample.js";

const SHORTEST = 2.5; // s, repeated
const MARGIN = 1; // s beyond the window, for the filter of the resampling
const LONGEST_READ = 300; // s of a recording that are averaged
const LARGEST_STD_MV = 5;
const CONTRADICTED = "the limb leads contradict each other";

/** A stretch without values that isn't bridged. */
class GapError extends ReadError {}
/** Leads that the recording lacks altogether. */
class MissingLeadsError extends ReadError {}

/**
 * Every window of a recording that can be read, `spec` being `{leads, fs, n_times}`.
 * `signals`: a Float32Array (n_leads * n_times) each; `starts` in s; `notes`.
 */
export function windowsOf(recording, spec) {
  const seconds = spec.n_times / spec.fs;
  const starts = startsOf(recording, seconds);
  const made = new Map(), broken = new Map();
  for (const start of starts) {
    try {
      made.set(start, checkedWindow(recording, spec, start));
    } catch (error) {
      if (!(error instanceof ReadError) || error instanceof MissingLeadsError || starts.length === 1) throw error;
      broken.set(start, error.message.replace(`${recording.name}: `, ""));
    }
  }
  if (!made.size) {
    throw new ReadError(`${recording.name} has no window of ${seconds} s that can be read: ${broken.get(starts[0])}`);
  }
  const still = new Map([...made.keys()].map((start) => [start, stillNotes(recording, seconds, start)]));
  const moving = [...made.keys()].filter((start) => !still.get(start).length);
  if (moving.length) { // where nothing else is left, still windows are answered, and named
    for (const start of [...made.keys()]) {
      if (moving.includes(start)) continue;
      broken.set(start, still.get(start).join("; "));
      made.delete(start);
    }
  }
  const used = starts.at(-1) / recording.fs + seconds;
  const short = recording.seconds > used + 0.5 / spec.fs;
  const notes = new Set([...made.values()].flatMap((window) => window.notes));
  const contradicted = [...notes].filter((note) => note.startsWith(CONTRADICTED));
  contradicted.slice(1).forEach((note) => notes.delete(note));
  return {
    signals: [...made.values()].map((window) => window.signal),
    starts: [...made.keys()].map((start) => start / recording.fs),
    notes: [
      ...notes,
      ...(moving.length ? [] : [...made.keys()].flatMap((start) => still.get(start))),
      ...(short ? [`the first ${used} of ${recording.seconds} s`] : []),
      ...[...broken].map(([start, why]) => {
        const from = start / recording.fs;
        return `${from} to ${from + seconds} s left out: ${why}`;
      }),
    ],
  };
}

/** First samples: one window behind the other, and one that ends with the recording. */
function startsOf(recording, seconds) {
  const most = Math.ceil(LONGEST_READ * recording.fs);
  const there = Math.min(most, Math.round(recording.seconds * recording.fs));
  const length = seconds * recording.fs;
  const nWhole = Math.max(1, Math.floor((there + 0.5) / length));
  const starts = Array.from({ length: nWhole }, (_, k) => Math.round(k * length));
  if (there - nWhole * length >= Math.min(SHORTEST, seconds) * recording.fs) {
    starts.push(Math.floor(there - length));
  }
  return starts;
}

function checkedWindow(recording, spec, start) {
  const window = windowAt(recording, spec, start);
  const n = spec.n_times;
  const spreads = spec.leads.map((_, k) => spreadOf(window.signal.subarray(k * n, (k + 1) * n)));
  const large = spreads.filter((spread) => spread > LARGEST_STD_MV).length;
  if (large > spreads.length / 2) {
    const middle = spreads.sort((a, b) => a - b)[spreads.length >> 1];
    throw new ReadError(
      `${recording.name} must be in mV, but has a standard deviation of ${middle.toFixed(0)}, which ` +
      "no heart gives: its unit or gain must be wrong", "unit",
    );
  }
  return window;
}

function spreadOf(row) {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  return Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length);
}

function windowAt(recording, spec, start) {
  const { name, fs } = recording;
  requireRate(name, fs);
  const seconds = spec.n_times / spec.fs;
  const stop = start + Math.ceil((seconds + MARGIN) * fs);
  const there = Object.fromEntries(recording.leads.map((lead) => [lead, recording.signal[lead].subarray(start, stop)]));
  const length = Math.max(0, ...Object.values(there).map((row) => row.length));
  const nUsed = Math.min(length, Math.ceil(seconds * fs));
  const shortest = Math.min(SHORTEST, seconds);
  if (recording.leads.length && nUsed < shortest * fs) {
    throw new ReadError(`${name} must last at least ${shortest} s, but lasts ${(nUsed / fs).toFixed(2)} s`);
  }
  const { leads, notes } = complete(recording, there, nUsed, start, spec);
  const rows = spec.leads.map((lead) => resampled(leads[lead], fs, spec.fs));
  if (fs !== spec.fs) notes.push(`resampled from ${fs} to ${spec.fs} Hz`);
  const own = Math.min(rows[0].length, spec.n_times);
  if (own < spec.n_times) notes.push(`${(nUsed / fs).toFixed(2)} s, repeated to ${seconds} s`);
  const signal = new Float32Array(spec.leads.length * spec.n_times);
  rows.forEach((row, k) => {
    for (let t = 0; t < spec.n_times; t++) signal[k * spec.n_times + t] = row[t % row.length];
  });
  return { signal, notes };
}

/** Every lead of the spec without a gap, and notes on what was bridged or computed. */
function complete(recording, there, nUsed, start, spec) {
  const { fs } = recording;
  const gaps = Object.fromEntries(
    Object.entries(there).map(([lead, row]) => [lead, gapsOf(row).filter(([first]) => first < nUsed)]));
  const names = Object.keys(there);
  const whole = Object.fromEntries(names.filter((lead) => !gaps[lead].length).map((lead) => [lead, bridged(there[lead])]));
  const notes = contradictionNote(whole, nUsed);
  const fromOthers = computedLimbs(whole);
  const gapped = names.filter((lead) => gaps[lead].length && spec.leads.includes(lead));
  const filled = gapped.filter((lead) => lead in fromOthers);
  const leads = { ...whole };
  for (const lead of filled) {
    leads[lead] = there[lead].map((value, k) => (Number.isNaN(value) ? fromOthers[lead][k] : value));
  }
  const short = gapped.filter((lead) => !filled.includes(lead) && longestOf(gaps[lead]) <= LONGEST_BRIDGE * fs);
  for (const lead of short) leads[lead] = bridged(there[lead]);
  const said = (lead) => gaps[lead].map(([a, b]) => [a + start, b + start]);
  notes.push(...gapNotes(said, filled, fs, "filled from the other limb leads"));
  notes.push(...gapNotes(said, short, fs, "bridged"));
  const made = Object.entries(computedLimbs(leads)).filter(([lead]) => !(lead in there));
  const needed = LIMB_LEADS.filter((lead) => spec.leads.includes(lead) && made.some(([each]) => each === lead));
  if (needed.length) notes.push(`${needed.join(", ")} computed from the other limb leads`);
  Object.assign(leads, Object.fromEntries(made));
  requireLeads(recording, leads, gapped, said, spec);
  return { leads, notes };
}

function contradictionNote(leads, nUsed) {
  const used = Object.fromEntries(Object.entries(leads).map(([lead, row]) => [lead, row.subarray(0, nUsed)]));
  const { share, worst } = contradiction(used);
  if (share <= MOST_CONTRADICTION) return [];
  const percent = (100 * share).toFixed(0);
  return [`${CONTRADICTED} by ${percent}% of their energy, ${worst} most: cables or columns may be swapped`];
}

/** One note for each stretch, with all the leads that lack it. */
function gapNotes(said, leads, fs, what) {
  const stretches = new Map();
  for (const lead of leads) {
    for (const gap of said(lead)) {
      const key = gap.join(" ");
      stretches.set(key, { gap, names: [...(stretches.get(key)?.names ?? []), lead] });
    }
  }
  return [...stretches.values()].map(({ gap, names }) => `${describeGap(names, gap, fs)}: ${what}`);
}

function requireLeads(recording, leads, gapped, said, spec) {
  const missing = spec.leads.filter((lead) => !(lead in leads));
  const broken = missing.find((lead) => gapped.includes(lead));
  if (broken) {
    const gap = said(broken).reduce((a, b) => (b[1] - b[0] > a[1] - a[0] ? b : a));
    throw new GapError(`${recording.name}: ${describeGap([broken], gap, recording.fs)}`);
  }
  if (!missing.length) return;
  const found = [...recording.leads, ...recording.others];
  throw new MissingLeadsError(
    `${recording.name} must have the leads ${spec.leads.join(" ")}, but lacks ${missing.join(", ")} ` +
    `(it has ${found.join(", ") || "none"}${otherSystem(found)})`,
  );
}

/** The stretches of a window, longer than a bridge, in which no lead moves: a recorder's dropout. */
function stillNotes(recording, seconds, start) {
  const { fs } = recording;
  const stop = start + Math.round(seconds * fs);
  const rows = recording.leads.map((lead) => recording.signal[lead].subarray(start, stop));
  const runs = runsOf(rows[0].length - 1, (k) => rows.every((row) => row[k + 1] === row[k]));
  return runs
    .filter(([a, b]) => b - a > LONGEST_BRIDGE * fs)
    .map(([a, b]) => `no lead moves from ${((start + a) / fs).toFixed(2)} to ${((start + b) / fs).toFixed(2)} s`);
}
