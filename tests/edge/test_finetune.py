"""Batch norms that look again, and a student that learns from a teacher."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heart_reader.edge.config import FinetuneConfig
from heart_reader.edge.network.finetune import finetuned, remeasured, some_rows
from heart_reader.errors import DataError
from heart_reader.evaluation.metrics import macro_auc
from tests.training.tiny import tiny_config

ONE_EPOCH = FinetuneConfig(epochs=1, learning_rate_share=0.1, distill=0.0)


def test_batch_norms_get_the_statistics_of_the_records(prepared, bundle):
    records = prepared.records
    found = remeasured(bundle, records, 20, np.random.default_rng(0))
    rows = some_rows(records, 20, np.random.default_rng(0))
    signals = torch.from_numpy(records.millivolts(rows)).float()
    with torch.no_grad():
        x = bundle.model.backbone.stem[0](bundle.normaliser(signals).unsqueeze(2))
    norm = found.model.backbone.stem[1]
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1 and not found.model.training
    for name, value in bundle.model.named_parameters():
        torch.testing.assert_close(found.model.get_parameter(name), value)
    old = bundle.model.backbone.stem[1].running_mean
    assert not torch.allclose(norm.running_mean, old)


def test_records_are_of_the_training_folds(prepared):
    rows = some_rows(prepared.records, 10_000, np.random.default_rng(0))
    assert set(prepared.records.metadata["strat_fold"].iloc[rows]) == set(range(1, 9))
    with pytest.raises(DataError, match="need 2 records of folds 1 to 8, but there is 1"):
        remeasured(None, prepared.records, 1, np.random.default_rng(0))


def trained(bundle, records, distill):
    config = tiny_config(training__batch_size=64)
    return finetuned(bundle, bundle, records, config, replace(ONE_EPOCH, distill=distill), "fused")


def test_fine_tuning_changes_the_weights_alone(prepared, bundle):
    before = {key: value.clone() for key, value in bundle.model.state_dict().items()}
    found, result = trained(bundle, prepared.records, 0.0)
    assert found.normaliser is bundle.normaliser and found.encoder is bundle.encoder
    assert len(result.history) == 1 and not found.model.training
    for key, value in bundle.model.state_dict().items():
        torch.testing.assert_close(value, before[key])
    assert not torch.equal(found.model.head[0].weight, bundle.model.head[0].weight)


def test_a_student_for_devices_without_features_is_trained_and_judged_without_them(
    prepared, bundle
):
    """Other features change nothing of it, but for what the teacher says of them."""
    config, records = tiny_config(training__batch_size=64), prepared.records
    values = records.features.values[::-1].copy()
    other = replace(records, features=replace(records.features, values=values))
    results = [
        finetuned(bundle, bundle, some, config, ONE_EPOCH, form)
        for form in ("signal", "fused")
        for some in (records, other)
    ]
    weights = [found.model.head[0].weight for found, _ in results]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert not torch.equal(weights[2], weights[3])
    signal, _ = results[0]
    y_true = records.y_true[records.rows((9,))]
    said = signal.predict(records.millivolts(records.rows((9,))), None)
    assert results[0][1].history[-1]["val/macro_auc"] == pytest.approx(macro_auc(y_true, said))
    assert signal.encoder is bundle.encoder


def test_who_listens_to_the_teacher_alone_needs_no_labels(prepared, bundle):
    """With all weight on the teacher, other labels of folds 1 to 8 give the same weights."""
    records = prepared.records
    y_true = records.y_true.copy()
    train = records.rows(range(1, 9))
    y_true[train] = y_true[train][::-1]
    other = replace(records, y_true=y_true)
    models = [trained(bundle, some, 1.0)[0].model for some in (records, other)]
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b)
    labels = trained(bundle, other, 0.0)[0].model
    assert not torch.equal(labels.head[0].weight, models[0].head[0].weight)
