// GE MUSE XML: eight leads in base64, the other four follow from I and II.

import { ReadError } from "./leads.js";
import { factorToMv, requireRate, requireSamples } from "./units.js";

export function isMuse(text) {
  return /<restingecg\b/i.test(text.slice(0, 4096));
}

/** The rhythm waveform (else the first) of a file. Names and numbers of people stay in it. */
export function readMuse(name, text) {
  if (/<!ENTITY/i.test(text)) throw new ReadError(`${name} can't be read: it defines entities`);
  // A declaration may name an encoding that the text no longer has.
  const tree = new DOMParser().parseFromString(text.replace(/^\s*<\?xml[^>]*\?>/, ""), "application/xml");
  if (tree.querySelector("parsererror")) throw new ReadError(`${name} can't be read as GE MUSE XML: it is damaged`);
  const waves = [...tree.querySelectorAll("Waveform")];
  const wave = waves.find((each) => word(each, "WaveformType") === "Rhythm") ?? waves[0];
  if (!wave) throw new ReadError(`${name} holds no waveform`);
  const fs = Number(word(wave, "SampleBase")) * 10 ** Number(word(wave, "SampleExponent") || 0);
  requireRate(name, fs);
  const signal = {};
  for (const data of wave.querySelectorAll("LeadData")) {
    const lead = word(data, "LeadID");
    const perBit = Number(word(data, "LeadAmplitudeUnitsPerBit"));
    const unit = word(data, "LeadAmplitudeUnits");
    const factor = perBit * factorToMv(name, lead, /^microvolts?$/i.test(unit) ? "uV" : unit);
    signal[lead] = samples(name, data, factor);
  }
  const leads = Object.keys(signal);
  if (!leads.length) throw new ReadError(`${name} holds no leads`);
  const n = Math.max(...leads.map((lead) => signal[lead].length));
  requireSamples(name, leads.length, n);
  return { name, kind: "GE MUSE XML", leads, signal, fs, seconds: n / fs, others: [], notes: [] };
}

function word(node, tag) {
  return node.querySelector(tag)?.textContent.trim() ?? "";
}

function samples(name, data, factor) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(word(data, "WaveFormData").replace(/\s+/g, "")), (c) => c.charCodeAt(0));
  } catch {
    throw new ReadError(`${name} can't be read as GE MUSE XML: it is damaged`);
  }
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length >> 1 }, (_, k) => view.getInt16(2 * k, true) * factor);
}
