// ECG paper as SVG: one unit is one millimetre.

import { computedLimbs } from "../signal/limb.js";
import { LEADS } from "../reading/leads.js";
import { LEFT_MM, MM_PER_S, STRIP_S, WIDTH_MM, placed } from "./layout.js";

const SVG = "http://www.w3.org/2000/svg";

/** The drawing of ten seconds of a recording from `start` s on. */
export function drawEcg(recording, start, layout) {
  const leads = leadsFrom(recording, start);
  const place = placed(leads, recording.fs, layout);
  const names = Object.keys(leads).join(", ");
  const scale = scaleText(place.gain, recording.fs);
  const svg = node("svg", {
    viewBox: `0 0 ${WIDTH_MM} ${place.height}`, class: "paper", role: "img",
    "aria-label": `ECG of the leads ${names} on ECG paper, ${scale}`,
  });
  svg.append(...grid(place.height));
  for (const middle of place.middles) svg.append(pulse(middle, place.gain));
  for (const trace of place.traces) {
    svg.append(node("path", { d: pathOf(trace), class: "trace", "data-lead": trace.lead }));
    if (trace.left > LEFT_MM) svg.append(line(trace.left, place.middles[trace.row] - 2, trace.left, place.middles[trace.row] + 2, "next"));
  }
  for (const { lead, x, y } of place.names) {
    svg.append(written(lead, x, y, "lead"));
  }
  svg.append(written(scale, 4, place.height - 2, "scale"));
  return svg;
}

function scaleText(gain, fs) {
  const small = gain === 10 ? "" : `; waves too tall for 10 mm/mV: drawn at ${gain}`;
  return `${MM_PER_S} mm/s, ${gain} mm/mV, ${Number(fs.toFixed(2))} Hz${small}`;
}

/** What is drawn: the file's own samples, and the limb leads that follow from them. */
function leadsFrom(recording, start) {
  const first = Math.round(start * recording.fs);
  const stop = first + Math.round(STRIP_S * recording.fs);
  const all = { ...computedLimbs(recording.signal), ...recording.signal };
  const there = LEADS.filter((lead) => all[lead]);
  return Object.fromEntries(there.map((lead) => [lead, all[lead].subarray(first, stop)]));
}

function pathOf({ x, y }) {
  let pen = "M", path = "";
  x.forEach((at, k) => {
    if (!Number.isFinite(y[k])) {
      pen = "M"; // no value, no line
      return;
    }
    path += `${pen}${at.toFixed(2)} ${y[k].toFixed(2)}`;
    pen = "L";
  });
  return path;
}

/** 1 mV for 0.2 s: what a reader checks the scale against. */
function pulse(middle, gain) {
  return node("path", { d: `M4 ${middle}H5V${middle - gain}H10V${middle}H11`, class: "pulse" });
}

function grid(height) {
  const lines = (step, kind) => {
    let d = "";
    for (let x = 0; x <= WIDTH_MM; x += step) d += `M${x} 0V${height}`;
    for (let y = 0; y <= height; y += step) d += `M0 ${y}H${WIDTH_MM}`;
    return node("path", { d, class: kind });
  };
  return [node("rect", { width: WIDTH_MM, height, class: "sheet" }), lines(1, "fine"), lines(5, "thick")];
}

function written(words, x, y, kind) {
  const text = node("text", { x, y, class: kind });
  text.textContent = words;
  return text;
}

function line(x1, y1, x2, y2, kind) {
  return node("path", { d: `M${x1} ${y1}L${x2} ${y2}`, class: kind });
}

function node(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
