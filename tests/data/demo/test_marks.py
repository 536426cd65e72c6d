"""A model that was trained on the demo's ECGs is known, and says so.

Covers: heart_reader.data.demo.marks.
"""

import pandas as pd
import pytest

from heart_reader.data.demo.marks import is_synthetic, made_of
from heart_reader.data.ptbxl import METADATA_FILE


@pytest.mark.parametrize(
    ("provenance", "synthetic"),
    [
        ({"data": {"root": "demo"}}, True),  # of before there was a key of its own
        ({"data": {"root": "/a/tree"}, "synthetic": True}, True),  # a demo tree under another path
        ({"data": {"root": "PTBXL"}}, False),
        ({"data": None}, False),
        ({}, False),
        ({"name": "heart-reader-x", "version": "3", "synthetic": "true"}, True),  # a device's
    ],
)
def test_a_bundle_says_what_it_was_trained_on(provenance, synthetic):
    assert is_synthetic(provenance) is synthetic


def test_a_demo_tree_is_known_wherever_it_lies(demo_root):
    metadata = pd.read_csv(demo_root / METADATA_FILE)
    assert made_of(metadata)
    real = metadata.assign(device="CS-12   E")
    assert not made_of(real) and not made_of(real.drop(columns="device"))
