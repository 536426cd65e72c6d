// The discrete Fourier transform of any length, fast where it has small factors.

/** `[re, im]` of a complex signal. */
export function fft(re, im) {
  const n = re.length;
  const p = smallestFactor(n);
  if (p === n) return naive(re, im);
  const m = n / p;
  const parts = Array.from({ length: p }, (_, r) => fft(every(re, p, r), every(im, p, r)));
  const outRe = new Float64Array(n), outIm = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    for (let r = 0; r < p; r++) {
      const angle = (-2 * Math.PI * ((r * k) % n)) / n;
      const c = Math.cos(angle), s = Math.sin(angle);
      const a = parts[r][0][k % m], b = parts[r][1][k % m];
      outRe[k] += a * c - b * s;
      outIm[k] += a * s + b * c;
    }
  }
  return [outRe, outIm];
}

/** The first n / 2 + 1 frequencies of a real signal. */
export function rfft(row) {
  const [re, im] = fft(row, new Float64Array(row.length));
  const n = (row.length >> 1) + 1;
  return [re.subarray(0, n), im.subarray(0, n)];
}

/** The real signal of that many samples whose `rfft` is given. */
export function irfft(re, im, n) {
  const wholeRe = new Float64Array(n), wholeIm = new Float64Array(n);
  for (let k = 0; k < re.length; k++) {
    // Conjugated: the inverse transform is the forward one of the conjugate.
    [wholeRe[k], wholeIm[k]] = [re[k], -im[k]];
    if (k > 0 && 2 * k < n) [wholeRe[n - k], wholeIm[n - k]] = [re[k], im[k]];
  }
  return fft(wholeRe, wholeIm)[0].map((value) => value / n);
}

/** The next length that has no factors but 2, 3 and 5. */
export function fastLength(n) {
  for (let length = n; ; length++) {
    let rest = length;
    for (const p of [2, 3, 5]) while (rest % p === 0) rest /= p;
    if (rest === 1) return length;
  }
}

function smallestFactor(n) {
  for (let p = 2; p * p <= n; p++) if (n % p === 0) return p;
  return n;
}

function every(values, step, from) {
  return Float64Array.from({ length: values.length / step }, (_, k) => values[from + k * step]);
}

function naive(re, im) {
  const n = re.length;
  const outRe = new Float64Array(n), outIm = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    for (let t = 0; t < n; t++) {
      const angle = (-2 * Math.PI * ((k * t) % n)) / n;
      const c = Math.cos(angle), s = Math.sin(angle);
      outRe[k] += re[t] * c - im[t] * s;
      outIm[k] += re[t] * s + im[t] * c;
    }
  }
  return [outRe, outIm];
}
