// What was found, as a table and a sentence.

import { GOOD, UNUSABLE } from "../signal/quality.js";

const MANY = 10, N_LIKELY = 3;

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** One sentence, which a screen reader says first. */
export function summaryOf(answer) {
  if (answer.quality.verdict === UNUSABLE) {
    return `This ECG can't be read: ${answer.quality.reasons.join("; ")}. No findings are given.`;
  }
  const found = answer.classes.filter((each) => each.present).map((each) => each.title);
  const unsure = answer.classes.filter((each) => each.uncertain).map((each) => each.title);
  const first = found.length ? `Above threshold: ${found.join(", ")}.` : "No class is above its threshold.";
  return unsure.length ? `${first} Uncertain: ${unsure.join(", ")}.` : first;
}

/** A table of the classes; of many, the others behind a button. */
export function findingsTable(answer) {
  if (answer.quality.verdict === UNUSABLE) return [];
  const { classes } = answer;
  if (classes.length <= MANY) return [tableOf(classes, "What the model says")];
  const likely = [...classes].sort((a, b) => b.present - a.present || b.probability - a.probability);
  const n = Math.max(N_LIKELY, likely.filter((each) => each.present).length);
  const more = element("details", {}, element("summary", {}, `the other ${classes.length - n} classes`));
  more.append(tableOf(likely.slice(n), "The other classes"));
  return [tableOf(likely.slice(0, n), "What the model says"), more];
}

function tableOf(classes, caption) {
  const head = ["Class", "Probability", "Threshold", "Result"].map((word) => element("th", { scope: "col" }, word));
  const body = element("tbody", {}, ...classes.map(rowOf));
  return element("table", { class: "findings" },
    element("caption", {}, caption), element("thead", {}, element("tr", {}, ...head)), body);
}

function rowOf(each) {
  const name = element("th", { scope: "row" }, element("span", { class: "title" }, each.title));
  if (each.title !== each.name) name.append(" ", element("span", { class: "code" }, each.name));
  const cells = [
    name,
    element("td", { class: "probability" }, barOf(each), element("span", { class: "number" }, percent(each.probability))),
    element("td", { class: "number" }, percent(each.threshold)),
    element("td", { class: "result" }, ...resultOf(each)),
  ];
  const kind = each.present ? "present" : "absent";
  return element("tr", { class: kind, "data-class": each.name, "data-probability": each.probability }, ...cells);
}

function resultOf(each) {
  const said = element("span", { class: "said" }, each.present ? "● above threshold" : "○ below");
  return each.uncertain ? [said, " ", element("span", { class: "uncertain" }, "? uncertain")] : [said];
}

function barOf(each) {
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  const filled = element("span", { class: "filled" });
  filled.style.width = `${100 * each.probability}%`;
  const tick = element("span", { class: "tick" });
  tick.style.left = `${100 * each.threshold}%`;
  bar.append(filled, tick);
  return bar;
}

function percent(p) {
  return `${(100 * p).toFixed(1)} %`;
}

/** What a reader must know of the recording, as list items: its quality first. */
export function noteItems(answer) {
  const { verdict, reasons } = answer.quality;
  const warnings = verdict === GOOD ? [] : reasons.map((why) => element("li", { class: "warning" }, `Signal ${verdict}: ${why}`));
  const items = [...warnings, ...answer.notes.map((note) => element("li", {}, note))];
  return items.length ? items : [element("li", {}, "Nothing odd was found in the signal.")];
}
