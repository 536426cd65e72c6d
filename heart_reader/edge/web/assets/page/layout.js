// Where each lead lies on paper, to scale and without one wave in another's way. As
// evaluation/sheets/layout.py: rows stand apart by what is on them; what doesn't fit at 10 mm/mV is
// drawn at 5 or 2.5. Millimetres; heights are from the paper's upper edge down.

import { medianOf } from "../reading/units.js";

export const MM_PER_S = 25;
export const STRIP_S = 10;
export const LEFT_MM = 15;
export const WIDTH_MM = LEFT_MM + STRIP_S * MM_PER_S + 5;
const GAINS = [10, 5, 2.5];
const BIN_MM = 2, APART_MM = 1.5, NAME_WIDTH = 8, NAME_HEIGHT = 3.5, STEP_MM = 5, PULSE_MM = 11.5;

export const LAYOUTS = {
  "3x4": { rows: [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"], ["II"]], apart: 30, edge: 20, name: 8, tallest: 210 },
  "6x2": { rows: [["I", "V1"], ["II", "V2"], ["III", "V3"], ["aVR", "V4"], ["aVL", "V5"], ["aVF", "V6"]], apart: 20, edge: 15, name: 4, tallest: 210 },
  "12x1": { rows: [["I"], ["II"], ["III"], ["aVR"], ["aVL"], ["aVF"], ["V1"], ["V2"], ["V3"], ["V4"], ["V5"], ["V6"]], apart: 15, edge: 15, name: 2, tallest: 280 },
};

/** The rows of a layout with the leads that are there; a lead a row where few are. */
export function rowsOf(layout, leads) {
  const there = (row) => row.map((lead) => (leads[lead] ? lead : null));
  const n = Object.keys(leads).length;
  if (n < 6) return Object.keys(leads).map((lead) => [lead]);
  return LAYOUTS[layout].rows.map(there).filter((row) => row.some(Boolean));
}

/**
 * `traces` (`{lead, row, left, x, y}`, y from the paper's upper edge down), `names` (`{lead, x, y}`),
 * `middles` of the rows, `height`, `gain`.
 */
export function placed(leads, fs, layout) {
  const { apart, edge, name, tallest } = LAYOUTS[layout];
  const rows = rowsOf(layout, leads);
  for (const gain of GAINS) {
    const pieces = rows.flatMap((row, r) => row.flatMap((lead, c) =>
      lead ? [pieceOf(leads[lead], fs, lead, r, c, row.length, gain)] : []));
    const titles = pieces.map((piece) => nameHeight(piece, name));
    const { lower, upper } = profiles(pieces, titles, rows.length);
    const between = rows.slice(1).map((_, r) =>
      Math.max(apart, upTo(Math.max(...upper[r + 1].map((high, k) => high - lower[r][k])) + APART_MM)));
    const top = Math.max(edge, PULSE_MM, upTo(Math.max(...upper[0]) + APART_MM));
    const bottom = Math.max(edge, upTo(APART_MM - Math.min(...lower.at(-1))));
    const height = upTo(top + between.reduce((a, b) => a + b, 0) + bottom);
    if (height <= tallest || gain === GAINS.at(-1)) {
      const middles = between.reduce((at, gap) => [...at, at.at(-1) + gap], [top]);
      const traces = pieces.map((p) => ({ ...p, y: p.y.map((value) => middles[p.row] - value) }));
      const names = pieces.map((p, k) => ({ lead: p.lead, x: p.left + 1, y: middles[p.row] - titles[k] }));
      return { traces, names, middles, height, gain };
    }
  }
}

/** A stretch of one lead as if its row's level were 0, its median there; y upwards. */
function pieceOf(row, fs, lead, r, column, nColumns, gain) {
  const duration = STRIP_S / nColumns;
  const start = Math.round(column * duration * fs);
  const stop = Math.min(Math.round((column + 1) * duration * fs), row.length);
  const known = row.filter(Number.isFinite);
  const level = known.length ? medianOf(known) : 0;
  const samples = [...row.subarray(start, stop)];
  return {
    lead, row: r, left: LEFT_MM + column * duration * MM_PER_S,
    x: samples.map((_, k) => LEFT_MM + ((start + k) / fs) * MM_PER_S),
    y: samples.map((value) => (value - level) * gain),
  };
}

/** Lower edge of a lead's name over its row's level: above every wave that it stands over. */
function nameHeight(piece, usual) {
  const under = piece.y.filter((y, k) => Number.isFinite(y) && piece.x[k] < piece.left + NAME_WIDTH + 1);
  return Math.max(usual, Math.max(0, ...under) + 1);
}

/** The lowest and the highest of each row along the paper's width. */
function profiles(pieces, titles, nRows) {
  const nBins = Math.floor(WIDTH_MM / BIN_MM) + 1;
  const blank = () => Array.from({ length: nRows }, () => new Array(nBins).fill(0));
  const lower = blank(), upper = blank();
  pieces.forEach((piece, k) => {
    const mark = (bin, y) => {
      lower[piece.row][bin] = Math.min(lower[piece.row][bin], y);
      upper[piece.row][bin] = Math.max(upper[piece.row][bin], y);
    };
    piece.y.forEach((y, at) => {
      const bin = Math.floor(piece.x[at] / BIN_MM);
      // Neighbours too: waves of two leads peak at different times.
      if (Number.isFinite(y)) for (const near of [bin - 1, bin, bin + 1]) mark(Math.min(Math.max(near, 0), nBins - 1), y);
    });
    const first = Math.floor(piece.left / BIN_MM), last = Math.floor((piece.left + NAME_WIDTH) / BIN_MM);
    for (let bin = first; bin <= last; bin++) mark(bin, titles[k] + NAME_HEIGHT);
  });
  return { lower, upper };
}

function upTo(x) {
  return Math.ceil(x / STEP_MM - 1e-9) * STEP_MM;
}
