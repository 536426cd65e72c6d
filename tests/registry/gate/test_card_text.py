"""What a card says of records and signals that aren't PTB-XL's.

Covers: registry.model_card.
"""

import pytest

from heart_reader.data.spec import PTBXL_SIGNAL
from registry import model_card
from registry.ground import said

RECIPES = {
    "PTB-XL": ({}, "from a 12-lead ECG", "12-lead ECGs, 10 s at 100 Hz, in mV", "on PTB-XL ("),
    "two leads of a manifest": (
        {"data.root": "/data/mine.csv", "signal.leads": "I,II", "signal.fs": "250",
         "signal.seconds": "5.0"},
        "of `mine.csv`, several classes at once, from an ECG of the leads I, II",
        "ECGs of the leads I, II, 5 s at 250 Hz, in mV",
        "on records of the user's own, `mine.csv`",
    ),
    "one lead": (
        {"data.root": "/data/ptbxl", "signal.leads": "II", "signal.fs": "100",
         "signal.seconds": "10"},
        "of PTB-XL, several classes at once, from an ECG of the lead II",
        "ECGs of the lead II, 10 s at 100 Hz, in mV",
        "on PTB-XL (",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_card_names_the_records_and_the_signal(name):
    recipe, about, signal, source = RECIPES[name]
    read, own = said.signal_of(recipe), said.own_data_of(recipe)
    tags = {"task": "hearts"} if recipe else {}
    assert about in model_card._about(tags, {}, own, said.ecg_of(read))
    limits = said.limits_of(tags, False, own, read)
    assert signal in limits and source in limits


def test_a_version_of_a_time_with_one_signal_reads_that():
    assert said.signal_of({"data.root": "/data/ptbxl"}) == PTBXL_SIGNAL
