// Whether a window can be read at all, and why not. As data/quality, whose limits these are.

import { medianOf, quantileOf } from "../reading/units.js";
import { beatsOf } from "./beats.js";
import { rfft } from "./fft.js";

export const GOOD = "good";
export const DOUBTFUL = "doubtful";
export const UNUSABLE = "unusable";
const USUAL_QRS_MV = 0.96;
const RAIL_SHARE_OF_SPAN = 0.004, STILL_MV_PER_S = 0.11;
const WAVES_HZ = 3, MUSCLE_HZ = 35, TONE_HZ = 0.75;
const FLAT_MV = 0.05, STILL_S = 1, AT_RAIL = 0.02;
const SAME_MV = 0.006, SAME_CORRELATION = 0.99999;
const TONE = 0.9, MAINS_HZ = [50, 60], MAINS_TOLERANCE_HZ = 1.5;
const UNLIKE = 0.5, FAST_MV = 0.03, MORE_UNLIKE = 0.4, WIDE_MV = 1, LOUD_MV = 0.15;
const RECORD_ALIKE = 0.7, LARGEST_LEAD_MV = 8;
const NOTHING_RISES = 1.6, LITTLE_RISES = 4, BEATS_DIFFER = 0.7, SECONDS_FOR_TWO_BEATS = 4;
const SIZES = [0.36, 2.4], LIMITS = [0.15, 3];
const MISTAKES = [
  [1e-3, "are the values volts, not mV?"],
  [0.2, "is the gain 1000 where 200 is right?"],
  [5, "is the gain 200 where 1000 is right?"],
  [1e3, "are the values µV, not mV?"],
];

/** `{verdict, reasons}` of one window: rows of mV (n_times each), their rate and names. */
export function assess(rows, fs, names) {
  const level = rows.map((row) => {
    const middle = medianOf(row);
    return Float64Array.from(row, (value) => value - middle);
  });
  const beats = beatsOf(level, fs);
  const bad = leadVerdicts(level, fs, beats);
  const seconds = rows[0].length / fs;
  const noQrs = beats.peakedness < NOTHING_RISES ||
    (beats.peakedness < LITTLE_RISES && beats.alike < BEATS_DIFFER) ||
    (beats.nBeats < 2 && seconds >= SECONDS_FOR_TWO_BEATS);
  return verdictOf(bad, noQrs, beats, names);
}

/** What is wrong with each lead, "" where nothing is; the first of these counts. */
function leadVerdicts(rows, fs, beats) {
  const told = beats.alike > RECORD_ALIKE;
  return rows.map((row, k) => {
    const low = Math.min(...row), high = Math.max(...row), span = high - low;
    const { fast, tone, hz } = spectrumOf(row, fs);
    const alike = beats.leadAlike[k];
    const empty = told && ((alike < UNLIKE && fast > FAST_MV) || (alike < MORE_UNLIKE && span > WIDE_MV));
    if (span < FLAT_MV || stillSeconds(row, fs) >= STILL_S) return "flat";
    if (tone > TONE && isMains(hz, fs)) return "mains hum alone";
    if (tone > TONE || empty || fast > LOUD_MV) return "noise alone";
    if (shareAtRail(row, low, high, span) > AT_RAIL) return "saturated";
    if (beats.qrs[k] > LARGEST_LEAD_MV) return "QRS beyond physiology";
    if (rows.slice(0, k).some((other) => areSame(row, other))) return "repeats another lead";
    return "";
  });
}

function stillSeconds(row, fs) {
  let longest = 0, run = 0;
  for (let k = 1; k < row.length; k++) {
    run = Math.abs(row[k] - row[k - 1]) <= STILL_MV_PER_S / fs ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest / fs;
}

function shareAtRail(row, low, high, span) {
  const near = RAIL_SHARE_OF_SPAN * span;
  const share = (test) => row.reduce((sum, value) => sum + (test(value) ? 1 : 0), 0) / row.length;
  return Math.max(share((value) => value - low <= near), share((value) => high - value <= near));
}

/** `fast`: mV above 35 Hz; `tone`: share of the power above 3 Hz that is one frequency, `hz`. */
function spectrumOf(row, fs) {
  const n = row.length;
  const hann = Float64Array.from(row, (_, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / (n - 1)));
  const [re, im] = rfft(row.map((value, k) => value * hann[k]));
  const hz = (k) => (k * fs) / n;
  const power = re.map((value, k) => (hz(k) < WAVES_HZ ? 0 : value ** 2 + im[k] ** 2));
  const sum = (part) => part.reduce((a, b) => a + b, 0);
  const ofPower = 2 / (n * Math.max(sum(hann.map((value) => value ** 2)), 1e-9));
  const fast = Math.sqrt(ofPower * sum(power.filter((_, k) => hz(k) >= MUSCLE_HZ)));
  const strongest = power.indexOf(Math.max(...power));
  const width = Math.max(1, Math.round((TONE_HZ * n) / fs));
  const inside = sum(power.subarray(Math.max(strongest - width, 0), strongest + width + 1));
  return { fast, tone: inside / Math.max(sum(power), 1e-12), hz: hz(strongest) };
}

/** Whether a tone is that of the mains, which a slow sampling rate folds back. */
function isMains(hz, fs) {
  return MAINS_HZ.some((mains) =>
    Math.abs(hz - Math.abs(mains - fs * Math.round(mains / fs))) <= MAINS_TOLERANCE_HZ);
}

function areSame(a, b) {
  const mean = (row) => row.reduce((sum, value) => sum + value, 0) / row.length;
  const meanA = mean(a), meanB = mean(b);
  let ab = 0, aa = 0, bb = 0;
  for (let k = 0; k < a.length; k++) {
    ab += (a[k] - meanA) * (b[k] - meanB);
    aa += (a[k] - meanA) ** 2;
    bb += (b[k] - meanB) ** 2;
  }
  const alike = ab / Math.max(Math.sqrt(aa), 1e-9) / Math.max(Math.sqrt(bb), 1e-9);
  if (alike <= 0.99) return false;
  const gap = a.map((value, k) => Math.abs(value - b[k])).sort();
  return alike > SAME_CORRELATION || quantileOf(gap, 0.99) <= SAME_MV;
}

// ---------------------------------------------------------------- a record

function verdictOf(bad, noQrs, beats, names) {
  const nRead = bad.filter((what) => !what).length;
  // Where no lead can be read, since all are tiny or huge, the size of all says why.
  const sizes = beats.qrs.filter((size, k) => size > 0 && (!bad[k] || nRead === 0));
  const size = noQrs || !sizes.length ? NaN
    : Math.exp(sizes.reduce((sum, each) => sum + Math.log(each), 0) / sizes.length);
  const reasons = [...new Set(bad.filter(Boolean))].map((what) => {
    const leads = names.filter((_, k) => bad[k] === what);
    return `${what}: ${leads.length === names.length ? "all leads" : leads.join(", ")}`;
  });
  const fatal = [];
  if (nRead < names.length / 2) fatal.push(`only ${nRead} of ${names.length} leads can be read`);
  if (noQrs) fatal.push("no QRS found");
  if (size < SIZES[0] || size > SIZES[1]) {
    (size < LIMITS[0] || size > LIMITS[1] ? fatal : reasons).push(sizeReason(size));
  }
  const all = [...fatal, ...reasons];
  return { verdict: fatal.length ? UNUSABLE : all.length ? DOUBTFUL : GOOD, reasons: all };
}

function sizeReason(size) {
  const factor = size / USUAL_QRS_MV;
  const away = MISTAKES.map(([each]) => Math.abs(Math.log(factor / each)));
  const nearest = away.indexOf(Math.min(...away));
  const why = away[nearest] < Math.log(2.5) ? `: ${MISTAKES[nearest][1]}` : "";
  const short = (value) => Number(value.toPrecision(2));
  return `QRS of ${short(size)} mV, ${short(factor)} times a usual one${why}`;
}
