// Which channel of a file is which of the twelve leads, by its name. As data/formats/lead_names.py.

/** What a reader must know: one sentence; `field` is the input of the page that would settle it. */
export class ReadError extends Error {
  constructor(message, field = "") {
    super(message);
    this.field = field;
  }
}

export const LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];

const PREFIX = /^(?:mdc_ecg_lead|mdc_ecg|lead|ecg|ekg|derivation)(?:[\s_:.]+|-)?/;
const BRACKETS = /\s*[([{].*$/;
const SIGN = /^(?:-|−|minus\s+|inverted\s+|neg\s+)(?=[a-z])/;
const ALIASES = new Map([
  ...LEADS.map((lead) => [lead.toLowerCase(), lead]),
  ...[["d1", "I"], ["d2", "II"], ["d3", "III"], ["di", "I"], ["dii", "II"], ["diii", "III"]],
  ...[["mli", "I"], ["mlii", "II"], ["mliii", "III"], ["ml2", "II"]],
  ...[["vr", "aVR"], ["vl", "aVL"], ["vf", "aVF"]],
]);
const SYSTEMS = {
  Frank: ["x", "y", "z", "vx", "vy", "vz"],
  Nehb: ["d", "a", "j", "nehb d", "nehb a", "nehb j"],
};

/** `{lead, sign}` of a channel's name, null for any other channel. */
export function leadOf(name) {
  const bare = name.trim().toLowerCase().replace(BRACKETS, "").replace(PREFIX, "");
  const word = bare.replace(/^[ \t_:."']+|[ \t_:."']+$/g, "");
  const inverted = word.replace(SIGN, "");
  const lead = ALIASES.get(inverted.replace(/[ _]/g, ""));
  return lead === undefined ? null : { lead, sign: inverted === word ? 1 : -1 };
}

/**
 * The channels that are leads, each once, in the file's order: `leads`, their `columns` and
 * `signs`; `others`, names of the rest; `notes`. A plain name counts before another of its lead.
 */
export function chooseLeads(names) {
  const found = new Map();
  const others = [];
  const notes = [];
  const order = names.map((_, k) => k);
  order.sort((a, b) => isPlain(names[b]) - isPlain(names[a]) || a - b);
  for (const column of order) {
    const meant = leadOf(names[column]);
    if (meant === null) {
      others.push(column);
    } else if (found.has(meant.lead)) {
      notes.push(`lead ${meant.lead} is there twice: '${names[column].trim()}' left out`);
    } else {
      found.set(meant.lead, { column, sign: meant.sign });
      if (meant.sign < 0) notes.push(`lead ${meant.lead} turned round: the file has '${names[column]}'`);
    }
  }
  const leads = [...found.keys()].sort((a, b) => found.get(a).column - found.get(b).column);
  return {
    leads,
    columns: leads.map((lead) => found.get(lead).column),
    signs: leads.map((lead) => found.get(lead).sign),
    others: others.sort((a, b) => a - b).map((k) => names[k].trim()),
    notes,
  };
}

function isPlain(name) {
  return LEADS.some((lead) => lead.toLowerCase() === name.trim().toLowerCase());
}

/** "; X, Y, Z are Frank leads, not of the twelve" where that is so, else "". */
export function otherSystem(names) {
  for (const [system, members] of Object.entries(SYSTEMS)) {
    const found = names.filter((name) => members.includes(name.trim().toLowerCase()));
    if (found.length > 1) return `; ${found.join(", ")} are ${system} leads, not of the twelve`;
  }
  return "";
}
