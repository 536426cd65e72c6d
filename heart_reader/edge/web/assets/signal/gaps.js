// Stretches without a value: where they are, and a bridge over the short ones.

export const LONGEST_BRIDGE = 0.2; // s; a QRS is half as long

/** `[start, stop]` of each run of places for which `isTrue(k)`. */
export function runsOf(length, isTrue) {
  const runs = [];
  for (let k = 0; k < length; k++) {
    if (!isTrue(k)) continue;
    const start = k;
    while (k < length && isTrue(k)) k++;
    runs.push([start, k]);
  }
  return runs;
}

export function gapsOf(row) {
  return runsOf(row.length, (k) => !Number.isFinite(row[k]));
}

/** A straight line through every gap, the nearest value at the ends; a row of gaps stays one. */
export function bridged(row) {
  const made = row.slice();
  for (const [start, stop] of gapsOf(row)) {
    const before = row[start - 1] ?? row[stop], behind = row[stop] ?? row[start - 1];
    if (before === undefined) return row;
    const length = stop - start + 1;
    for (let k = start; k < stop; k++) made[k] = before + ((behind - before) * (k - start + 1)) / length;
  }
  return made;
}

export function longestOf(runs) {
  return Math.max(0, ...runs.map(([start, stop]) => stop - start));
}

export function describeGap(leads, [start, stop], fs) {
  const who = leads.length === 1 ? `lead ${leads[0]} has` : `leads ${leads.join(", ")} have`;
  return `${who} no value from ${(start / fs).toFixed(2)} to ${(stop / fs).toFixed(2)} s`;
}
