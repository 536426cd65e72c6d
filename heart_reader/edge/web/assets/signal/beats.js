// Where beats are, and how alike they look. As data/quality/measures.py, whose numbers these are.

import { medianOf } from "../reading/units.js";
import { fastLength, irfft, rfft } from "./fft.js";

const LOW_HZ = 5, HIGH_HZ = 20; // of the QRS
const WINDOW_S = 1.5, QRS_S = 0.09, REFRACTORY_S = 0.24, REACH_S = 0.1;
const BEAT_SHARE = 0.4;

/** `peakedness`, `nBeats`, `alike`, `leadAlike` and `qrs` (a number a lead) of rows in mV. */
export function beatsOf(rows, fs) {
  const slopes = rows.map((row) => qrsSlope(row, fs));
  const { scaled, envelope } = envelopeOf(slopes, fs);
  const usual = Math.max(usualPeak(envelope, fs), 1e-9);
  const peakedness = usual / Math.max(medianOf(envelope), 1e-9);
  const reach = Math.max(1, Math.round(REACH_S * fs));
  const apart = Math.max(1, Math.round(REFRACTORY_S * fs));
  const peaks = findPeaks(envelope, BEAT_SHARE * usual, apart)
    .filter((peak) => peak >= reach && peak < envelope.length - reach);
  const none = rows.map(() => NaN);
  if (peaks.length < 2) return { peakedness, nBeats: peaks.length, alike: NaN, leadAlike: none, qrs: none };
  const around = (row) => peaks.map((peak) => row.subarray(peak - reach, peak + reach + 1));
  const { whole, each } = alikeness(scaled.map(around));
  const qrs = rows.map((row) => medianOf(around(row).map((beat) => Math.max(...beat) - Math.min(...beat))));
  return { peakedness, nBeats: peaks.length, alike: whole, leadAlike: each, qrs };
}

/** The derivative in the band of the QRS, arbitrary unit. */
function qrsSlope(row, fs) {
  const n = row.length, edge = Math.min(Math.floor(fs), n - 1);
  const padded = new Float64Array(fastLength(n + 2 * edge));
  padded.set(row, edge);
  for (let k = 1; k <= edge; k++) {
    padded[edge - k] = 2 * row[0] - row[k];
    padded[edge + n - 1 + k] = 2 * row[n - 1] - row[n - 1 - k];
  }
  const [re, im] = rfft(padded);
  for (let k = 0; k < re.length; k++) {
    const f = (k * fs) / padded.length;
    const gain = ((f * f ** 4) / (f ** 4 + LOW_HZ ** 4)) / (1 + (f / HIGH_HZ) ** 4);
    [re[k], im[k]] = [-im[k] * gain, re[k] * gain];
  }
  return irfft(re, im, padded.length).subarray(edge, edge + n);
}

/** Slopes scaled to each lead's usual QRS, weighed by how far that rises; their smoothed sum. */
function envelopeOf(slopes, fs) {
  const steep = slopes.map((row) => row.map(Math.abs));
  const usual = steep.map((row) => usualPeak(row, fs));
  const means = steep.map((row) => row.reduce((a, b) => a + b, 0) / row.length);
  const weights = usual.map((peak, k) => (peak / Math.max(means[k], 1e-9)) ** 2);
  const total = Math.max(weights.reduce((a, b) => a + b, 0), 1e-9);
  const scales = weights.map((weight, k) => weight / total / Math.max(usual[k], 1e-9));
  const summed = new Float64Array(slopes[0].length);
  steep.forEach((row, lead) => {
    for (let t = 0; t < row.length; t++) summed[t] += Math.min(row[t], 2 * usual[lead]) * scales[lead];
  });
  const scaled = slopes.map((row, lead) => row.map((value) => value * scales[lead]));
  return { scaled, envelope: smoothed(summed, Math.max(1, Math.round(QRS_S * fs))) };
}

/** A running mean; beyond the ends the signal is mirrored. */
function smoothed(row, size) {
  const n = row.length, before = size >> 1;
  const at = (k) => row[k < 0 ? -k - 1 : k >= n ? 2 * n - 1 - k : k];
  return Float64Array.from(row, (_, t) => {
    let sum = 0;
    for (let k = t - before; k < t - before + size; k++) sum += at(k);
    return sum / size;
  });
}

/** The median over windows of 1.5 s of the largest value in each. */
function usualPeak(row, fs) {
  const size = Math.round(WINDOW_S * fs);
  const nWindows = Math.floor(row.length / size);
  return medianOf(Array.from({ length: nWindows }, (_, k) => Math.max(...row.subarray(k * size, (k + 1) * size))));
}

/** Places of local maxima of that height, the higher first, none nearer than `apart` to another. */
export function findPeaks(row, height, apart) {
  const found = [];
  for (let k = 1; k < row.length - 1; k++) {
    if (!(row[k] > row[k - 1])) continue;
    let end = k;
    while (end < row.length - 1 && row[end + 1] === row[k]) end++;
    if (end < row.length - 1 && row[end + 1] < row[k] && row[k] >= height) found.push((k + end) >> 1);
    k = end;
  }
  const kept = [];
  for (const peak of [...found].sort((a, b) => row[b] - row[a])) {
    if (kept.every((other) => Math.abs(other - peak) >= apart)) kept.push(peak);
  }
  return kept.sort((a, b) => a - b);
}

/** How alike the beats (lead, beat, sample) are to their median: of all leads, and of each. */
function alikeness(beats) {
  const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
  const templates = beats.map((own) => own[0].map((_, k) => medianOf(own.map((beat) => beat[k]))));
  const product = beats.map((own, lead) => own.map((beat) => dot(beat, templates[lead])));
  const power = beats.map((own) => own.map((beat) => dot(beat, beat)));
  const size = templates.map((template) => dot(template, template));
  const column = (table, k) => table.reduce((sum, row) => sum + row[k], 0);
  const all = size.reduce((a, b) => a + b, 0);
  const whole = beats[0].map((_, k) => column(product, k) / Math.max(Math.sqrt(column(power, k) * all), 1e-12));
  const each = product.map((row, lead) =>
    medianOf(row.map((value, k) => value / Math.max(Math.sqrt(power[lead][k] * size[lead]), 1e-12))));
  return { whole: medianOf(whole), each };
}
