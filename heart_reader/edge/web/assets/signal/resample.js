// Resampling as scipy.signal.resample_poly does it: a Kaiser low pass, beta 5, of 10 periods of the
// slower rate either side; beyond its ends a signal goes on along the line through them.

const PERIODS = 10, BETA = 5;

/** `{up, down}`: the fraction nearest to `to / fs` with a denominator of at most 1000. */
export function ratioOf(fs, to) {
  const ratio = to / fs;
  let best = { up: Math.round(ratio), down: 1 };
  let error = Math.abs(ratio - best.up);
  for (let down = 2; down <= 1000 && error > 0; down++) {
    const up = Math.round(ratio * down);
    const off = Math.abs(ratio - up / down);
    if (off < error - 1e-15) [best, error] = [{ up, down }, off];
  }
  return best;
}

/** A row (Float64Array) of `fs` Hz at `to` Hz. */
export function resampled(row, fs, to) {
  const { up, down } = ratioOf(fs, to);
  if (up === down) return row;
  const n = row.length;
  const half = PERIODS * Math.max(up, down);
  const taps = lowPass(Math.max(up, down), half).map((tap) => tap * up);
  const slope = n > 1 ? (row[n - 1] - row[0]) / (n - 1) : 0;
  const at = (i) => (i < 0 ? row[0] + slope * i : i >= n ? row[n - 1] + slope * (i - n + 1) : row[i]);
  return Float64Array.from({ length: Math.ceil((n * up) / down) }, (_, j) => {
    let sum = 0;
    const last = Math.floor((half + j * down) / up);
    for (let i = Math.ceil((j * down - half) / up); i <= last; i++) {
      sum += taps[half + j * down - i * up] * at(i);
    }
    return sum;
  });
}

/** scipy's firwin(2 * half + 1, 1 / rate, window=("kaiser", 5)): its sum is 1. */
function lowPass(rate, half) {
  const taps = Float64Array.from({ length: 2 * half + 1 }, (_, k) => {
    const x = (k - half) / rate;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    return sinc * bessel(BETA * Math.sqrt(Math.max(0, 1 - ((k - half) / half) ** 2)));
  });
  const sum = taps.reduce((a, b) => a + b, 0);
  return taps.map((tap) => tap / sum);
}

/** The modified Bessel function of the first kind and order 0, by its series. */
function bessel(x) {
  let term = 1, sum = 1;
  for (let k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
