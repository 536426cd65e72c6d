// The page: files and samples in, drawing and findings out. Nothing is sent anywhere.

import { readFiles } from "../reading/file.js";
import { LEADS, ReadError } from "../reading/leads.js";
import { answerOf } from "./answer.js";
import { element, findingsTable, noteItems, summaryOf } from "./findings.js";
import { openModel, unpacked } from "./model.js";
import { drawEcg } from "./paper.js";

const TALLEST_MM = 180; // of a sheet that fits on a printed page below the headings

const byId = (id) => document.getElementById(id);
const contract = JSON.parse(byId("contract").textContent);
let model = null; // a promise, once the page has begun
let shown = null; // `{recording, answer}` that are on the page
let chosen = null; // files that were chosen last, for when an option changes

function begin() {
  const samples = unpacked("samples-data");
  model = openModel(contract);
  model.then(() => say("Ready: choose an ECG."), fail);
  contract.samples.forEach((sample, k) => {
    const button = element("button", { type: "button", class: "sample" }, sample.title);
    button.addEventListener("click", () => run(async () => {
      chosen = null;
      await show(sampleRecording(sample, await samples, k));
    }));
    byId("samples").append(button);
  });
  byId("file").addEventListener("change", (event) => choose(event.target.files));
  byId("layout").addEventListener("change", () => shown && draw());
  byId("print").addEventListener("click", () => window.print());
  for (const id of ["rate", "unit", "gain"]) byId(id).addEventListener("change", () => chosen && readAgain());
  dropping();
}

function dropping() {
  const over = (event, is) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", is);
  };
  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => over(event, event.relatedTarget !== null));
  document.addEventListener("drop", (event) => {
    over(event, false);
    choose(event.dataTransfer.files);
  });
}

async function choose(list) {
  const files = [...list];
  byId("file").value = ""; // the same file may be chosen again
  await run(async () => {
    chosen = await Promise.all(files.map(async (file) =>
      ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
    await show(readFiles(chosen, asked()));
  });
}

function readAgain() {
  return run(() => show(readFiles(chosen, asked())));
}

/** What the user says of files that don't say it. */
function asked() {
  const number = (id) => {
    const text = byId(id).value.trim();
    if (text && !(Number(text) > 0)) throw new ReadError(`'${text}' is no number above 0`, id);
    return text ? Number(text) : null;
  };
  return { rate: number("rate"), unit: byId("unit").value || null, gain: number("gain") };
}

function sampleRecording({ title, fs }, bytes, k) {
  const steps = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
  const n = steps.length / contract.samples.length / LEADS.length;
  const row = (lead) => Float64Array.from(steps.subarray((k * LEADS.length + lead) * n, (k * LEADS.length + lead + 1) * n), (v) => v / 1000);
  const signal = Object.fromEntries(LEADS.map((lead, at) => [lead, row(at)]));
  const notes = ["a synthetic ECG: drawn by a program, of no person"];
  return { name: `Synthetic sample: ${title}`, kind: "sample", leads: LEADS, signal, fs, seconds: n / fs, others: [], notes };
}

// ---------------------------------------------------------------- one at a time

let last = Promise.resolve();

/** Does something that may fail, behind what was asked for before. */
function run(what) {
  last = last.then(async () => {
    byId("error").hidden = true;
    byId("result").hidden = true;
    shown = null;
    say("Reading …");
    try {
      await what();
    } catch (error) {
      fail(error);
    }
  });
  return last;
}

function fail(error) {
  const known = error instanceof ReadError;
  const field = known && error.field ? byId(error.field) : null;
  byId("error").textContent = known ? error.message : `This page failed: ${error.message ?? error}`;
  byId("error").hidden = false;
  say("");
  if (field) {
    byId("options").open = true;
    field.focus();
  }
}

function say(text) {
  byId("status").textContent = text;
}

// ---------------------------------------------------------------- what is shown

async function show(recording) {
  const answer = await answerOf(recording, contract, await model);
  shown = { recording, answer };
  byId("record").textContent = recording.name;
  byId("summary").textContent = summaryOf(answer);
  byId("summary").className = answer.quality.verdict;
  byId("findings").replaceChildren(...findingsTable(answer));
  byId("notes").replaceChildren(...noteItems(answer));
  byId("time").textContent = `${recording.kind}, ${Number(recording.seconds.toFixed(2))} s; the model took ${answer.ms.toFixed(0)} ms in this browser`;
  draw();
  byId("result").hidden = false;
  say("");
  byId("record").focus();
}

function draw() {
  const sheet = drawEcg(shown.recording, shown.answer.shown, byId("layout").value);
  byId("paper").replaceChildren(sheet);
  byId("paper").classList.toggle("tall", sheet.viewBox.baseVal.height > TALLEST_MM);
}

begin();
