// The six limb leads hang together: two of I, II and III say the other four (Einthoven, Goldberger).

export const LIMB_LEADS = ["I", "II", "III", "aVR", "aVL", "aVF"];
export const MOST_CONTRADICTION = 0.05; // share of the limb leads' energy

/** All six from the two of I, II and III that are there; none where fewer are. */
export function computedLimbs(leads) {
  const { I, II, III } = leads;
  if (I && II) return limbLeads(I, II);
  if (II && III) return limbLeads(II.map((value, k) => value - III[k]), II);
  if (I && III) return limbLeads(I, I.map((value, k) => value + III[k]));
  return {};
}

function limbLeads(i, ii) {
  const of = (combine) => i.map((value, k) => combine(value, ii[k]));
  return {
    I: i,
    II: ii,
    III: of((a, b) => b - a),
    aVR: of((a, b) => -(a + b) / 2),
    aVL: of((a, b) => a - b / 2),
    aVF: of((a, b) => b - a / 2),
  };
}

/** `{share, worst}`: how far the limb leads are from what I and II make them, and which most. */
export function contradiction(leads) {
  const there = LIMB_LEADS.filter((lead) => lead in leads);
  if (!leads.I || !leads.II || there.length < 3) return { share: 0, worst: "" };
  const level = Object.fromEntries(there.map((lead) => [lead, centred(leads[lead])]));
  const said = limbLeads(level.I, level.II);
  let energy = 0, wrong = 0, worst = { lead: "", by: -1 };
  for (const lead of there) {
    const by = level[lead].reduce((sum, value, k) => sum + (value - said[lead][k]) ** 2, 0);
    energy += level[lead].reduce((sum, value) => sum + value ** 2, 0);
    wrong += by;
    if (by > worst.by) worst = { lead, by };
  }
  return { share: energy ? wrong / energy : 0, worst: worst.lead };
}

function centred(row) {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  return row.map((value) => value - mean);
}
