"""A recording that lacks leads, for a model that serves sets of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from heart_reader.data.lead_sets import LeadSet, set_name, widest
from heart_reader.data.recordings.limb_leads import with_computed
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.recordings.windows import Windows, windows_of
from heart_reader.data.spec import SignalSpec


def with_fewer_leads(
    recording: Recording, spec: SignalSpec, sets: Sequence[LeadSet]
) -> Windows | None:
    """The windows of a recording with flat lines for the leads that it lacks.

    Args:
        recording: of any leads.
        spec: of the model.
        sets: that the model was trained on.

    Returns:
        ``None`` where it lacks none, or has no set whole: it is then read as ever.

    Raises:
        DataError: what is wrong with the leads that are there.
    """
    there = with_computed(recording.leads)
    if set(spec.leads) <= there:
        return None
    leads = widest(sets, [lead for lead in spec.leads if lead in there])
    if leads is None:
        return None
    ordered = tuple(lead for lead in spec.leads if lead in leads)
    made = windows_of(recording, replace(spec, leads=ordered))
    signals = np.zeros((len(made.signals), *spec.shape), np.float32)
    signals[:, [spec.leads.index(lead) for lead in ordered]] = made.signals
    missing = [lead for lead in spec.leads if lead not in leads]
    note = f"read by the leads {set_name(ordered)} alone, without {', '.join(missing)}"
    return replace(made, signals=signals, notes=(*made.notes, note))
