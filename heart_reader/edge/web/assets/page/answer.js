// What is said of a recording: of all its windows, as `heart_reader.edge.run` says it.

import { DOUBTFUL, GOOD, UNUSABLE, assess } from "../signal/quality.js";
import { windowsOf } from "../signal/windows.js";

/**
 * `classes`: `{name, title, probability, threshold, present, uncertain}` each; `quality`;
 * `notes`; `shown`, the start in s of the window that is drawn; `ms` that it took.
 */
export async function answerOf(recording, contract, model) {
  const { leads, n_times: nTimes, sampling_rate: fs } = contract;
  const windows = windowsOf(recording, { leads, fs, n_times: nTimes });
  const rowsOf = (signal) => leads.map((_, k) => signal.subarray(k * nTimes, (k + 1) * nTimes));
  const judged = windows.signals.map((signal) => assess(rowsOf(signal), fs, leads));
  const all = windows.signals.map((_, k) => k);
  const usable = all.filter((k) => judged[k].verdict !== UNUSABLE);
  const used = usable.length ? usable : all;
  const started = performance.now();
  const said = [];
  for (const k of used) said.push(await model.probabilities(windows.signals[k]));
  const ms = (performance.now() - started) / used.length;
  const quality = recordQuality(used.map((k) => judged[k]));
  return {
    classes: contract.classes.map((name, k) =>
      classAnswer(contract, name, k, said.reduce((sum, row) => sum + row[k], 0) / said.length)),
    quality,
    notes: [...recording.notes, ...windows.notes, ...windowNotes(windows, judged, used, nTimes / fs)],
    shown: windows.starts[used[0]],
    ms,
  };
}

function classAnswer(contract, name, k, probability) {
  const threshold = contract.thresholds[name];
  const present = probability >= threshold;
  return {
    name, title: contract.titles[k] || name, probability, threshold, present,
    uncertain: isUncertain(contract.limits, name, probability, present),
  };
}

/** Whether the conformal set isn't exactly the label that the threshold gives. */
export function isUncertain(limits, name, probability, present) {
  const least = limits?.present[name] ?? null, most = limits?.absent[name] ?? null;
  if (least === null || most === null) return false;
  const has = probability >= least, lacks = probability <= most;
  return !(present ? has && !lacks : lacks && !has);
}

/** Of a record: that of its usable windows, unusable where it has none. */
function recordQuality(judged) {
  if (judged.length === 1) return judged[0];
  const unusable = judged[0].verdict === UNUSABLE;
  const doubts = judged.some((each) => each.verdict !== GOOD);
  const counts = new Map();
  for (const { reasons } of judged) for (const why of new Set(reasons)) counts.set(why, (counts.get(why) ?? 0) + 1);
  const reasons = [...counts].map(([why, count]) =>
    count === judged.length ? why : `${why} (in ${count} of ${judged.length} windows)`);
  return { verdict: unusable ? UNUSABLE : doubts ? DOUBTFUL : GOOD, reasons };
}

function windowNotes(windows, judged, used, seconds) {
  if (windows.starts.length === 1) return [];
  const span = (k) => `${windows.starts[k]} to ${windows.starts[k] + seconds} s`;
  const left = windows.starts.map((_, k) => k).filter((k) => !used.includes(k))
    .map((k) => `${span(k)} left out: ${judged[k].reasons.join("; ")}`);
  const what = used.length === 1 ? `the answer is that of ${span(used[0])}`
    : `the mean of ${used.length} windows of ${seconds} s`;
  return [what, ...left, `drawn: ${span(used[0])}`];
}
