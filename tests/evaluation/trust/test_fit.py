"""Calibrators against scikit-learn's, on what the pretrained models said of real fold 9."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from heart_reader.bundle.evidence import Evidence, load_evidence
from heart_reader.config.load import load_config
from heart_reader.errors import ConfigError, DataError
from heart_reader.evaluation.metrics import expected_calibration_error
from heart_reader.evaluation.trust.calibrator import (
    AS_IT_IS,
    ISOTONIC,
    NONE,
    OWN_SHARE,
    PLATT,
    TEMPERATURE,
    Calibrator,
    Curve,
    read_calibrator,
)
from heart_reader.evaluation.trust.fit import AUTO, LEAST, fit_calibrator, fit_curve, groups_of
from heart_reader.project import REPOSITORY


@pytest.fixture(scope="module", params=["se_resnet1d", "ensemble"])
def said(request) -> Evidence:
    found = load_evidence(REPOSITORY / "pretrained" / request.param)
    assert found is not None
    return found


def one(said: Evidence, k: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return said.y_true[:, k] == 1, said.y_score[:, k]


# ---------------------------------------------------------------- one curve


def test_platt_is_an_unpenalised_logistic_regression_of_the_log_odds(said):
    truth, p = one(said)
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000)
    model.fit(logit(p.astype(float))[:, None], truth)
    expected = model.predict_proba(logit(p.astype(float))[:, None])[:, 1]
    np.testing.assert_allclose(fit_curve(PLATT, truth, p).apply(p), expected, atol=1e-4)


def test_no_other_temperature_has_less_loss(said):
    truth, p = one(said)
    curve = fit_curve(TEMPERATURE, truth, p)
    assert curve.offset == 0
    grid = np.linspace(0.3, 3, 541)
    losses = [log_loss(truth, expit(slope * logit(p.astype(float)))) for slope in grid]
    assert curve.slope == pytest.approx(grid[int(np.argmin(losses))], abs=0.006)


def test_isotonic_is_scikit_learns_but_for_a_hundredth_of_the_score(said):
    truth, p = one(said)
    model = IsotonicRegression(out_of_bounds="clip").fit(p.astype(float), truth)
    some = np.linspace(0, 1, 1001)
    expected = (1 - OWN_SHARE) * model.predict(some) + OWN_SHARE * some
    np.testing.assert_allclose(fit_curve(ISOTONIC, truth, p).apply(some), expected, atol=1e-6)


@pytest.mark.parametrize("method", [NONE, TEMPERATURE, PLATT, ISOTONIC])
def test_an_auc_stays_what_it_was(method, said):
    made = fit_calibrator(method, said.y_true, said.y_score, said.patient_id)
    after = made.calibrator.apply(said.y_score)
    assert after.dtype == np.float32
    for k in range(len(said.classes)):
        before = roc_auc_score(said.y_true[:, k], said.y_score[:, k])
        # Where an isotonic curve is flat, float32 ties what differs by less than 6e-6.
        near = 1e-5 if method == ISOTONIC else 1e-7
        assert roc_auc_score(said.y_true[:, k], after[:, k]) == pytest.approx(before, abs=near)
        order = np.argsort(said.y_score[:, k])
        assert (np.diff(after[order, k]) >= 0).all()


def test_scores_that_are_turned_round_are_left_alone():
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.5
    assert (
        fit_curve(PLATT, truth, np.where(truth, 0.2, 0.8) + rng.normal(0, 0.02, 500)) == AS_IT_IS
    )


def test_scores_that_say_0_and_1_stay_finite():
    p = np.array([0, 0, 1, 1, 0, 1] * 20, np.float32)
    truth = np.array([0, 1, 1, 1, 0, 0] * 20, bool)
    for method in (TEMPERATURE, PLATT, ISOTONIC):
        found = fit_curve(method, truth, p).apply(p)
        assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


# ---------------------------------------------------------------- all classes


def test_others_fit_and_choose(said):
    """Each patient's score comes from curves of patients in other groups, written out."""
    made = fit_calibrator(AUTO, said.y_true, said.y_score, said.patient_id)
    groups = groups_of(said.patient_id)
    for patient in np.unique(said.patient_id)[:200]:
        assert len(set(groups[said.patient_id == patient])) == 1
    for k, curve in enumerate(made.calibrator.curves):
        truth, p = one(said, k)
        losses = {}
        for method in (NONE, TEMPERATURE, PLATT, ISOTONIC):
            held = np.empty(len(p))
            for group in range(5):
                other = groups != group
                held[~other] = fit_curve(method, truth[other], p[other]).apply(p[~other])
            losses[method] = log_loss(truth, held)
            assert made.loss[method][k] == pytest.approx(losses[method], abs=1e-6)
            if method == curve.method:
                np.testing.assert_allclose(made.y_score[:, k], held, atol=1e-6)
        assert curve.method == min(losses, key=losses.__getitem__)


def test_calibration_is_better_on_patients_that_another_split_leaves_out(said):
    """scikit-learn's own groups, so that nothing hangs on ours."""
    before, after = [], []
    for fitted, held in GroupKFold(4).split(said.y_score, groups=said.patient_id):
        made = fit_calibrator(
            AUTO, said.y_true[fitted], said.y_score[fitted], said.patient_id[fitted]
        )
        for scores, into in (
            (said.y_score[held], before),
            (made.calibrator.apply(said.y_score[held]), after),
        ):
            into.append(
                [log_loss(said.y_true[held, k], scores[:, k], labels=[0, 1]) for k in range(5)]
            )
    assert np.mean(after) < np.mean(before)


def test_the_error_of_the_pretrained_ensemble_falls():
    said = load_evidence(REPOSITORY / "pretrained" / "ensemble")
    made = fit_calibrator(AUTO, said.y_true, said.y_judged, said.patient_id)
    before = expected_calibration_error(said.y_true, said.y_judged, 10).mean()
    after = expected_calibration_error(said.y_true, made.y_score, 10).mean()
    assert after < before < 0.03


def test_a_rare_class_isnt_bent_by_a_few_records():
    rng = np.random.default_rng(1)
    y_true = np.zeros((1000, 3), np.uint8)
    y_true[: LEAST[TEMPERATURE] - 1, 0] = 1
    y_true[: LEAST[PLATT] - 1, 1] = 1
    y_true[:400, 2] = 1
    y_score = np.clip(0.3 * y_true + rng.random((1000, 3)) * 0.6, 0, 1).astype(np.float32)
    made = fit_calibrator(AUTO, y_true, y_score, np.arange(1000))
    tried = {m: ~np.isnan(values) for m, values in made.loss.items()}
    assert tried[NONE].tolist() == [True, True, True]
    assert tried[TEMPERATURE].tolist() == [False, True, True]
    assert tried[PLATT].tolist() == [False, False, True]
    assert tried[ISOTONIC].tolist() == [False, False, True]
    assert made.calibrator.curves[0] == AS_IT_IS


def test_unknown_labels_arent_learned_from(said):
    y_true = said.y_true.copy()
    hidden = np.random.default_rng(0).random(len(y_true)) < 0.3
    y_true[hidden, 0] = 255
    made = fit_calibrator(PLATT, y_true, said.y_score, said.patient_id)
    truth, p = one(said)
    assert made.calibrator.curves[0] == fit_curve(PLATT, truth[~hidden], p[~hidden])


# ---------------------------------------------------------------- what is refused


def test_it_comes_back_from_json(said):
    made = fit_calibrator(ISOTONIC, said.y_true, said.y_score, said.patient_id).calibrator
    mixed = Calibrator((*made.curves[:2], AS_IT_IS, *made.curves[3:]))
    assert read_calibrator(mixed.tree(said.classes), said.classes) == mixed


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"method": "plat"}, "calibration must be"),
        ({"method": "platt", "slope": -1, "offset": 0}, "slopes lie from"),
        ({"method": "platt", "slope": 1, "offset": 1e9}, "offsets within"),
        ({"method": "platt", "slope": float("nan")}, "finite"),
        ({"method": "isotonic", "x": [0, 1], "y": [0.5, 0.4]}, "y not falling"),
        ({"method": "isotonic", "x": [0, 0], "y": [0.4, 0.5]}, "x rising"),
        ({"method": "isotonic", "x": [0.5], "y": [0.5]}, "knots"),
        ({"method": "isotonic", "x": [0, 2], "y": [0, 1]}, "from 0 to 1"),
    ],
)
def test_constants_that_no_curve_has(tree, message):
    with pytest.raises(ValueError, match=message):
        read_calibrator({"A": tree}, ("A",))


def test_other_classes_than_the_tasks():
    with pytest.raises(ValueError, match="calibration is of classes"):
        read_calibrator({"B": Curve(NONE, 1, 0, (), ()).tree()}, ("A",))


def test_a_method_that_isnt_one_and_one_patient_alone():
    y_true, y_score = np.array([[0], [1]], np.uint8), np.array([[0.2], [0.8]], np.float32)
    with pytest.raises(DataError, match="calibration must be auto"):
        fit_calibrator("plat", y_true, y_score, np.arange(2))
    with pytest.raises(DataError, match="n_groups"):
        fit_calibrator(AUTO, y_true, y_score, np.zeros(2))
    with pytest.raises(ConfigError, match="did you mean 'platt'"):
        load_config("default", {"evaluation.calibration": "plat"})
