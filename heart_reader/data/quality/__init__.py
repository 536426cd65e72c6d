"""Whether a record can be read at all, told by its signals alone, before any model sees it."""

from heart_reader.data.quality.measures import USUAL_QRS_MV, Measures, measure
from heart_reader.data.quality.verdicts import (
    DOUBTFUL,
    GOOD,
    UNUSABLE,
    VERDICTS,
    Quality,
    assess,
    assess_leads_there,
    scale_note,
    without_labels,
)

__all__ = [
    "DOUBTFUL",
    "GOOD",
    "UNUSABLE",
    "USUAL_QRS_MV",
    "VERDICTS",
    "Measures",
    "Quality",
    "assess",
    "assess_leads_there",
    "measure",
    "scale_note",
    "without_labels",
]
