"""One model for several sets of leads: how it learns them, is judged on them, and reads them.

Covers: heart_reader.data.lead_sets, heart_reader.training.lead_sets,
heart_reader.data.recordings.fewer_leads, heart_reader.bundle.scoring.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from heart_reader.bundle.scoring import judged_by_set, score
from heart_reader.data.lead_sets import lead_sets_of, measured_by, only, set_name, widest
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.quality import assess_leads_there
from heart_reader.data.recordings.fewer_leads import with_fewer_leads
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import ConfigError
from heart_reader.fitting import make_trainer
from heart_reader.training.lead_sets import make_lead_sets
from tests.training.tiny import tiny_bundle, tiny_config, tiny_prepared

SETS = lead_sets_of("12,8,6,II")


@pytest.fixture(scope="module")
def prepared(cache):
    return tiny_prepared(cache)


@pytest.fixture(scope="module")
def bundle(prepared):
    made = tiny_bundle(prepared)
    return replace(made, provenance={**made.provenance, "lead_sets": "12,8,6,II"})


def test_sets_have_names():
    assert [set_name(each) for each in SETS] == ["12", "8", "6", "II"]
    assert set_name(("I", "II")) == "I-II"
    assert widest(SETS, LEADS[:6]) == LEADS[:6] and widest(SETS, ("I",)) is None
    assert widest(SETS, ("II", "V1")) == ("II",)


def test_each_record_shows_one_set_and_what_it_measures(prepared):
    encoder, generator = prepared.encoder, torch.Generator().manual_seed(0)
    sets = make_lead_sets(SETS, LEADS, encoder, torch.device("cpu"))
    rows = prepared.records.rows((1, 2, 3))
    encoded, _ = encoder.encode(prepared.records.features.values[rows])
    signal = torch.ones(len(rows), 12, 5)
    shown, features = sets.draw(signal, torch.from_numpy(encoded), generator)
    drawn = [tuple(np.array(LEADS)[each[:, 0].numpy() > 0]) for each in shown]
    assert {tuple(sorted(each)) for each in drawn} == {tuple(sorted(each)) for each in SETS}
    # As the encoder has it where these leads alone were measured.
    for record, leads in enumerate(drawn):
        values = prepared.records.features.values[rows[record]].copy()
        values[~measured_by(encoder.names, leads)] = np.nan
        expected, _ = encoder.encode(values[None])
        np.testing.assert_allclose(features[record], expected[0], atol=1e-6)


def test_what_leads_measure():
    names = ("R_Amp_II", "R_Amp_V1", "HR__Global", "QRS_AxisFront_Global", "age")
    assert measured_by(names, ("II",)).tolist() == [True, False, True, False, True]
    assert measured_by(names, LEADS[:6]).tolist() == [True, False, True, True, True]


def test_training_draws_sets_and_learns(prepared):
    trainer = make_trainer(prepared, tiny_config(training__lead_sets="12,II", training__epochs=1))
    assert trainer.learner.lead_sets.leads.sum(dim=1).tolist() == [12, 1]
    assert np.isfinite(trainer.run_epoch()["train/loss"])


def test_each_set_is_judged_by_its_leads_alone(prepared, bundle):
    records = prepared.records
    found = judged_by_set(bundle, records, SETS).set_index("leads")
    assert found.index.tolist() == ["12", "8", "6", "II"]
    rows = records.rows((9,))
    signals = records.millivolts(rows)
    signals[:, [lead != "II" for lead in LEADS]] = 0
    about = records.metadata.iloc[rows]
    said = bundle.predict(signals, "compute", about["age"].to_numpy(), about["sex"].to_numpy())
    expected = [
        roc_auc_score(records.y_true[rows, k], said[:, k])
        for k in range(5)
        if 0 < records.y_true[rows, k].sum() < len(rows)
    ]
    assert found["macro_auc"]["II"] == pytest.approx(np.mean(expected), abs=1e-3)
    whole = score(bundle, records, (9,)).y_score
    np.testing.assert_array_equal(score(bundle, records, (9,), LEADS).y_score, whole)


def recording(leads: tuple[str, ...], signal: np.ndarray) -> Recording:
    rows = [LEADS.index(lead) for lead in leads]
    nan = float("nan")
    return Recording("r", "test", leads, signal[rows], 100, 10.0, (), None, nan, nan, ())


def test_a_recording_of_fewer_leads_is_read_by_a_set_of_them(prepared, bundle):
    signal = prepared.records.millivolts(np.array([0]))[0]
    two = with_fewer_leads(recording(("II", "V4"), signal), PTBXL_SIGNAL, bundle.lead_sets)
    np.testing.assert_allclose(two.signals[0], only(signal[None], LEADS, ("II",))[0], atol=1e-6)
    assert two.notes[-1].startswith("read by the leads II alone, without I, III")
    # Two limb leads say all six; twelve are read as ever; none of a set whole is refused later.
    six = with_fewer_leads(recording(("I", "II"), signal), PTBXL_SIGNAL, bundle.lead_sets)
    assert (six.signals[0, :6] != 0).any(axis=1).all() and not six.signals[0, 6:].any()
    assert with_fewer_leads(recording(LEADS, signal), PTBXL_SIGNAL, bundle.lead_sets) is None
    assert with_fewer_leads(recording(("V1",), signal), PTBXL_SIGNAL, bundle.lead_sets) is None
    assert with_fewer_leads(recording(("II",), signal), PTBXL_SIGNAL, ()) is None


def test_leads_that_are_not_there_make_no_record_unusable(prepared):
    signal = only(prepared.records.millivolts(np.array([0])), LEADS, ("II",))
    (quality,) = assess_leads_there(signal, 100, LEADS)
    assert quality.usable


def test_a_set_with_leads_that_are_not_read_is_refused(prepared):
    records = replace(prepared.records, spec=replace(PTBXL_SIGNAL, leads=LEADS[:6]))
    with pytest.raises(ConfigError, match=r"lead_sets has 8, but signal.leads lacks V1"):
        make_trainer(replace(prepared, records=records), tiny_config(training__lead_sets="8"))
    with pytest.raises(ConfigError, match="lead_sets must be of the twelve, but 'V9' isn't"):
        tiny_config(training__lead_sets="12,V9")
