"""A second head that learns another task: its labels, its loss, and that nothing of it is left.

Covers: heart_reader.training.auxiliary, heart_reader.tasks.ptbxl.
"""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from heart_reader.data.dataset import data_root, load_development
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.errors import ConfigError
from heart_reader.fitting import (
    Split,
    fresh_model,
    make_bundle,
    make_trainer,
    make_trainer_of,
    other_labels,
    prepare,
)
from heart_reader.tasks.ptbxl import statement_likelihoods
from heart_reader.tasks.task import Task
from heart_reader.training.checkpoint import load_checkpoint, save_checkpoint
from heart_reader.training.trainer import Trainer
from tests.training.tiny import tiny_config

ALL = {"training__auxiliary": "all", "training__batch_size": 64}


def statements_of(cache: Path) -> tuple[list[str], pd.Series]:
    """Codes in the order of the file, and each record's statements, read without us."""
    root = data_root(tiny_config().data, cache)
    codes = pd.read_csv(root / "scp_statements.csv").iloc[:, 0].tolist()
    frame = pd.read_csv(root / "ptbxl_database.csv", index_col="ecg_id")
    return codes, frame["scp_codes"].map(ast.literal_eval)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_targets_are_the_statements_of_the_records_that_train(prepared, cache):
    found = other_labels(prepared, tiny_config(**ALL))
    codes, of = statements_of(cache)
    records = prepared.records
    ids = records.ecg_id[records.rows(prepared.split.train)]
    expected = [[float(code in of[each]) for code in codes] for each in ids]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_record_that_the_main_task_drops_stays_dropped(cache):
    config = tiny_config(task="form", **ALL)
    records = load_development(config.data, config.task, config.features, cache, config.signal)
    trainer = make_trainer(prepare(records), config)
    codes, of = statements_of(cache)
    assert len(of) > len(trainer.train) == len(records.rows(range(1, 9)))
    n_form = records.task.n_classes
    assert trainer.train.y_true.shape[1] == n_form + len(codes)
    assert bool((trainer.train.y_true[:, :n_form] == 1).any(dim=1).all())


def test_likelihoods_of_statements():
    codes = [{"IMI": 35.0, "SR": 0.0}, {"IMI": 0.0, "AMI": 50.0}, {"IMI": 15.0, "AMI": 80.0}, {}]
    task = Task("t", ("MI", "SR"), ("", ""), ("", ""), "keep")
    class_of = {"IMI": "MI", "AMI": "MI", "SR": "SR"}
    found = statement_likelihoods(pd.DataFrame({"scp_codes": codes}), task, class_of)
    np.testing.assert_allclose(found, [[0.35, 1], [1, 0], [0.8, 0], [0, 0]])


def test_likelihoods_instead_of_labels(prepared, cache):
    soft = other_labels(prepared, tiny_config(**ALL, training__auxiliary_likelihoods=True))
    hard = other_labels(prepared, tiny_config(**ALL))
    np.testing.assert_array_equal(soft > 0, hard > 0)
    codes, of = statements_of(cache)
    records = prepared.records
    for row, ecg_id in enumerate(records.ecg_id[records.rows(prepared.split.train)]):
        for code, likelihood in of[ecg_id].items():
            assert soft[row, codes.index(code)] == pytest.approx(likelihood / 100 or 1)


def test_the_loss_is_the_main_one_and_the_weighted_other_one(prepared):
    """By scikit-learn; targets that nobody knows count nowhere."""
    config = tiny_config(
        **ALL,
        training__loss="bce",
        training__auxiliary_weight=0.3,
        training__feature_dropout=0,
    )
    labels = other_labels(prepared, config)
    labels[::3, 2] = np.nan
    trainer = make_trainer_of(fresh_model(prepared, config), prepared, config, None, labels)
    trainer.model.eval()  # without dropout
    rows, data = torch.arange(40), trainer.train
    signal, features, present = data.millivolts(rows), data.features[rows], data.present[rows]
    with torch.no_grad():
        trainer.auxiliary.weight.normal_(std=0.1)  # else all its probabilities are one half
        vector = trainer.model.embed(trainer.learner.normaliser(signal))
        main = torch.sigmoid(trainer.model.classify(vector, features, present)).double().numpy()
        weight, bias = (x.double().numpy() for x in trainer.auxiliary.parameters())
    others = 1 / (1 + np.exp(-(vector.double().numpy() @ weight.T + bias)))  # (40, n_others)
    y_true = data.y_true[rows].numpy()
    known = ~np.isnan(y_true[:, 5:])
    assert not known.all()
    expected = log_loss(y_true[:, :5].ravel(), main.ravel())
    expected += 0.3 * log_loss(y_true[:, 5:][known], others[known])
    loss = trainer.learner.expected_loss(signal, features, present, data.y_true[rows])
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_without_weight_the_model_is_the_one_that_learns_alone(prepared):
    alone = make_trainer(prepared, tiny_config(training__epochs=1)).fit([])
    beside = tiny_config(**ALL | {"training__batch_size": 16}, training__epochs=1,
                         training__auxiliary_weight=0)  # fmt: skip
    assert equal(make_trainer(prepared, beside).fit([]).best_weights, alone.best_weights)


def test_the_second_head_learns_and_the_vector_with_it(cache):
    """Superclasses beside rhythms, judged on records that neither was trained on."""
    config = tiny_config(
        task="rhythm", training__auxiliary="superdiagnostic", training__epochs=15,
        training__loss="bce", training__auxiliary_weight=3, training__patience=15, features="none",
    )  # fmt: skip
    half = Split((1, 2, 3, 4, 5, 6), (7, 8, 9))
    records = load_development(config.data, config.task, config.features, cache)
    trainer = make_trainer(prepare(records, half), config)
    trainer.fit([])
    trainer.model.eval()
    data = trainer.validation
    with torch.no_grad():
        vector = trainer.model.embed(
            trainer.learner.normaliser(data.millivolts(torch.arange(len(data))))
        )
        score = vector @ trainer.auxiliary.weight.T + trainer.auxiliary.bias
    _, of = statements_of(cache)
    table = pd.read_csv(data_root(config.data, cache) / "scp_statements.csv", index_col=0)
    superclass = table["diagnostic_class"].dropna()
    of_record = of[records.ecg_id[records.rows(half.validation)]]
    truth = np.array(
        [[name in set(superclass.reindex(each)) for name in SUPERCLASSES] for each in of_record]
    )
    assert roc_auc_score(truth, score) > 0.65  # of 0.74 with this seed


def test_a_restored_trainer_ends_at_the_same_bits(prepared, tmp_path):
    config = tiny_config(**ALL, augmentation__mixup_p=0.5)
    whole = make_trainer(prepared, config)
    whole.fit([lambda epoch, _: epoch or save_checkpoint(tmp_path / "c", whole.checkpoint())])
    again = make_trainer(prepared, config)
    again.restore(load_checkpoint(tmp_path / "c"))
    assert again.epoch == 1
    again.fit([])
    assert equal(again.model.state_dict(), whole.model.state_dict())
    assert equal(again.auxiliary.state_dict(), whole.auxiliary.state_dict())


def test_nothing_of_it_is_in_the_bundle(prepared, tmp_path):
    config = tiny_config(**ALL, training__epochs=1)
    result = make_trainer(prepared, config).fit([])
    bundle, scored = make_bundle(prepared, config, result, {})
    alone = fresh_model(prepared, tiny_config()).state_dict()
    assert {k: v.shape for k, v in bundle.model.state_dict().items()} == {
        k: v.shape for k, v in alone.items()
    }
    assert bundle.task == prepared.records.task and scored.y_score.shape[1] == 5


def test_with_a_teacher_lead_sets_and_mixup_each_target_stays_in_its_place(prepared):
    config = tiny_config(
        **ALL, training__teacher="boosting", training__lead_sets="12,II",
        augmentation__mixup_p=1.0, training__epochs=1,
    )  # fmt: skip
    trainer = make_trainer(prepared, config)
    soft, others = trainer.train.y_true[:, :5], trainer.train.y_true[:, 5:]
    assert bool(((soft > 0) & (soft < 1)).any())
    np.testing.assert_array_equal(others.numpy(), other_labels(prepared, config))
    assert np.isfinite(trainer.run_epoch()["train/loss"])


@pytest.fixture
def manifest(tmp_path: Path, cache: Path) -> Path:
    """Records of 10 s with two classes, and a column of a third, sometimes empty."""
    root = data_root(tiny_config().data, cache)
    frame = pd.read_csv(root / "ptbxl_database.csv", index_col="ecg_id")
    own = pd.DataFrame({"file": [str(root / each) for each in frame["filename_lr"]]})
    own["fold"], own["patient_id"] = frame["strat_fold"].to_numpy(), frame["patient_id"].to_numpy()
    for code in ("SR", "AFIB", "NORM"):
        own[code] = frame["scp_codes"].str.contains(f"'{code}'").astype(int).to_numpy()
    own["NORM"] = own["NORM"].astype(str).where(np.arange(len(own)) % 4 > 0, "")
    own.to_csv(tmp_path / "own.csv", index=False)
    (tmp_path / "task.yaml").write_text("name: rhythms\nclasses: {SR: , AFIB: }\n")
    (tmp_path / "other.yaml").write_text("name: normal\nclasses: {NORM: }\n")
    return tmp_path / "own.csv"


def test_another_task_of_a_manifest_by_windows(manifest, cache):
    """Both windows of a record have its label; an empty cell is in no loss."""
    config = tiny_config(
        data=str(manifest), training__auxiliary=str(manifest.with_name("other.yaml")),
        signal__seconds=5, features="none", training__epochs=1,
    )  # fmt: skip
    records = load_development(config.data, config.task, config.features, cache, config.signal)
    prepared = prepare(records)
    found = other_labels(prepared, config)
    written = pd.read_csv(manifest)["NORM"].to_numpy()
    rows = records.rows(prepared.split.train)
    assert len(rows) == 2 * len(np.unique(records.ecg_id[rows]))
    np.testing.assert_array_equal(found[:, 0], written[records.ecg_id[rows] - 1])
    assert np.isnan(found).any()
    assert np.isfinite(make_trainer(prepared, config).run_epoch()["train/loss"])


def test_what_cant_be_is_said_before_anything_is_read(manifest):
    with pytest.raises(ConfigError) as refused:
        tiny_config(data=str(manifest), training__auxiliary="all")
    assert str(refused.value) == (
        f"config key training.auxiliary 'all' is one of PTB-XL's statements, which the manifest "
        f"{manifest} doesn't have: give FILE.yaml, or labels"
    )
    with pytest.raises(ConfigError, match="unknown task 'al', did you mean 'all'"):
        tiny_config(training__auxiliary="al")
    with pytest.raises(ConfigError, match="must be another task than task, but is form"):
        tiny_config(task="form", training__auxiliary="form")
    with pytest.raises(ConfigError, match="auxiliary_weight must not be negative, but is -1"):
        tiny_config(training__auxiliary_weight=-1)


def test_a_manifest_has_no_likelihoods(manifest, cache):
    config = tiny_config(
        data=str(manifest), training__auxiliary=str(manifest.with_name("other.yaml")),
        training__auxiliary_likelihoods=True, features="none",
    )  # fmt: skip
    records = load_development(config.data, config.task, config.features, cache)
    with pytest.raises(ConfigError, match=f"manifest {manifest} has labels without"):
        make_trainer(prepare(records), config)


def test_captured_steps_learn_what_the_others_do(prepared):
    """What stands around a capture, with a second head: the same losses, to rounding."""
    config = tiny_config(**ALL, training__epochs=2, training__loss="bce")
    plain = make_trainer(prepared, config)
    plain.fit([])
    made = make_trainer(prepared, config)

    def capture(body):
        body()  # as a real one does before it holds it
        return body

    held = Trainer(
        made.model, made.train, made.validation, made.learner.fs, prepared.normaliser,
        config.training, config.augmentation, torch.Generator().manual_seed(config.seed), None,
        made.auxiliary, capture,
    )  # fmt: skip
    before = held.auxiliary.weight.detach().clone()
    held.fit([])
    assert held.graphs is not None and not torch.equal(held.auxiliary.weight, before)
    for one, other in zip(held.history, plain.history, strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], abs=2e-3)
