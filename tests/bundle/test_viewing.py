"""Views are chosen on fold 9, travel with the bundle, and everything that answers follows them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader.bundle.kinds import open_bundle
from heart_reader.bundle.viewing import REMEMBERED, with_best_views
from heart_reader.config.load import load_config
from heart_reader.edge.eager import EagerModel
from heart_reader.errors import ConfigError, ModelError
from heart_reader.models.views import WHOLE, Views, candidates
from heart_reader.reading.explain import explain
from tests.edge.bundles import fresh_bundle, some_features, some_signals
from tests.training.tiny import tiny_bundle, tiny_prepared

FOUR = Views(4, False)


@pytest.fixture(scope="module")
def prepared(cache):
    return tiny_prepared(cache)


@pytest.fixture(scope="module")
def trained(prepared):
    return tiny_bundle(prepared)


def test_fold_9_chooses(trained, prepared):
    records = prepared.records
    chosen = with_best_views(trained, records, 4)
    rows = records.rows((9,))
    signals, features = records.millivolts(rows), records.features.values[rows]
    auc = {}
    for name, views in candidates(4).items():
        y_score = replace(trained, views=views).predict(signals, features)
        auc[name] = roc_auc_score(records.y_true[rows], y_score, average="macro")
    assert chosen.provenance[REMEMBERED] == pytest.approx(auc, abs=1e-5)
    assert len(set(auc.values())) == 3
    assert chosen.views == candidates(4)[max(auc, key=auc.get)]


def test_none_is_tried_where_none_is_asked_for(trained, prepared):
    assert with_best_views(trained, prepared.records, 0) is trained


def test_more_windows_than_samples_are_refused(trained, prepared):
    with pytest.raises(ConfigError, match=r"evaluation\.windows must be at most 1000"):
        with_best_views(trained, prepared.records, 1001)
    with pytest.raises(ConfigError, match="windows must be 0, or at least 2, but is 1"):
        load_config("default", {"evaluation.windows": 1})


def test_the_whole_record_wins_a_draw(prepared, trained, monkeypatch):
    monkeypatch.setattr(
        "heart_reader.bundle.viewing.judged", lambda *_: dict.fromkeys(candidates(4), 0.9)
    )
    assert with_best_views(replace(trained, views=FOUR), prepared.records, 4).views == WHOLE


def test_views_travel_and_code_of_before_refuses_them(tmp_path):
    bundle = replace(fresh_bundle("s4"), views=FOUR)
    bundle.save(tmp_path / "viewed")
    again = open_bundle(tmp_path / "viewed")
    assert again.views == FOUR
    signals, features = some_signals(3), some_features(3)
    np.testing.assert_array_equal(
        again.predict(signals, features), bundle.predict(signals, features)
    )
    assert not np.allclose(
        replace(bundle, views=WHOLE).predict(signals, features), bundle.predict(signals, features)
    )
    tree = json.loads((tmp_path / "viewed" / "bundle.json").read_text())
    assert (tree["format"], tree["views"]) == (3, {"windows": 4, "whole": False})


def test_a_bundle_of_the_whole_record_is_written_as_before(tmp_path):
    fresh_bundle("s4").save(tmp_path / "b")
    tree = json.loads((tmp_path / "b" / "bundle.json").read_text())
    assert tree["format"] == 2 and "views" not in tree


@pytest.mark.parametrize(
    "views", [{"windows": 1, "whole": True}, {"windows": 4}, {"windows": 2000, "whole": False}, 4]
)
def test_views_that_cannot_be_are_refused(views, tmp_path):
    replace(fresh_bundle("s4"), views=FOUR).save(tmp_path / "b")
    path = tmp_path / "b" / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "views": views}))
    with pytest.raises(ModelError, match=r"bundle\.json of bundle .* is damaged"):
        open_bundle(tmp_path / "b")


@pytest.mark.parametrize("views", [FOUR, Views(4, True)])
def test_eager_and_explanations_follow(views):
    bundle = replace(fresh_bundle("se_resnet1d"), views=views)
    signals, features = some_signals(2), some_features(2)
    expected = bundle.predict(signals, features)
    mask = np.isfinite(features).astype(np.float32)
    eager = EagerModel(bundle).probabilities(signals, np.nan_to_num(features), mask)
    np.testing.assert_allclose(eager, expected, atol=1e-6)
    (found,) = explain(bundle, signals[1], None, ["MI"])
    assert found.probability == pytest.approx(
        float(bundle.predict(signals[1:], None)[0, 1]), abs=1e-5
    )
