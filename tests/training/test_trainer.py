"""The loop: golden losses, the same bits twice, and once more after a stop in the middle."""

import itertools

import pytest
import torch

from heart_reader.errors import DataError
from heart_reader.training.callbacks import CheckpointWriter, MetricLogger
from heart_reader.training.checkpoint import load_checkpoint
from heart_reader.training.trainer import Trainer
from tests.training.tiny import (
    N_TRAIN,
    first,
    stop_after,
    tiny_config,
    tiny_prepared,
    tiny_trainer,
)

PRECISIONS = ("fp32", "bf16")


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def assert_same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


@pytest.fixture(scope="module", params=PRECISIONS)
def uninterrupted(request, prepared):
    """A config, and the trainer that ran to its end: dropout, augmentation, feature dropout on."""
    config = tiny_config(training__precision=request.param)
    trainer = tiny_trainer(prepared, config)
    trainer.fit([])
    return config, trainer


# ---------------------------------------------------------------- the same numbers


def test_golden_losses(cache):
    """On the signal alone: what is measured on it may be bettered without a change here."""
    quiet = {f"augmentation__{name}_p": 0 for name in ("noise", "scale", "lead_dropout")}
    quiet |= {f"augmentation__{name}_p": 0 for name in ("wander", "warp", "shift")}
    config = tiny_config(features="none", **quiet)
    trainer = tiny_trainer(tiny_prepared(cache, "none"), config)
    history = trainer.fit([]).history
    assert [m["train/loss"] for m in history] == pytest.approx(GOLDEN_TRAIN, abs=1e-4)
    assert [m["val/loss"] for m in history] == pytest.approx(GOLDEN_VALIDATION, abs=1e-4)


GOLDEN_TRAIN = [0.100337, 0.071168, 0.061107]
GOLDEN_VALIDATION = [0.073826, 0.069454, 0.069598]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(prepared, uninterrupted):
    config, trainer = uninterrupted
    again = tiny_trainer(prepared, config)
    again.fit([])
    assert_same_bits(weights(trainer), weights(again))
    other = tiny_trainer(prepared, tiny_config(seed=1, training__epochs=1))
    other.fit([])
    assert not torch.equal(*(next(iter(weights(t).values())) for t in (trainer, other)))


@pytest.mark.parametrize("stop", [1, 2])
def test_a_restored_trainer_ends_at_the_same_bits(prepared, uninterrupted, tmp_path, stop):
    config, whole = uninterrupted
    stopped = tiny_trainer(prepared, config)
    with pytest.raises(InterruptedError):
        stopped.fit([stop_after(stop, stopped, tmp_path / "last.safetensors")])
    torch.manual_seed(999)  # another process would stand elsewhere
    torch.rand(7)
    restored = tiny_trainer(prepared, tiny_config(**{"training__precision": precision(config)}))
    restored.restore(load_checkpoint(tmp_path / "last.safetensors"))
    assert restored.epoch == stop
    result = restored.fit([])
    assert_same_bits(weights(whole), weights(restored))
    assert_same_bits(whole.best_weights, result.best_weights)
    assert result.best_epoch == whole.best_epoch
    timeless = ("train/loss", "val/loss", "val/macro_auc", "lr")
    for one, other in zip(whole.history, result.history, strict=True):
        assert [one[name] for name in timeless] == [other[name] for name in timeless]


def precision(config) -> str:
    return config.training.precision


def test_without_the_random_states_the_bits_differ(prepared, uninterrupted, tmp_path):
    """So the test above would notice if a checkpoint forgot them."""
    config, whole = uninterrupted
    stopped = tiny_trainer(prepared, config)
    with pytest.raises(InterruptedError):
        stopped.fit([stop_after(1, stopped, tmp_path / "last.safetensors")])
    forgetful = tiny_trainer(prepared, config)
    forgetful.restore(load_checkpoint(tmp_path / "last.safetensors"))
    torch.manual_seed(999)
    forgetful.fit([])
    head = "head.0.weight"  # below the dropout of the head
    assert not torch.equal(weights(whole)[head], weights(forgetful)[head])


# ---------------------------------------------------------------- the schedule of an epoch


def test_hooks_get_each_epoch_once_and_in_order(prepared):
    trainer = tiny_trainer(prepared, tiny_config())
    seen, names = [], set()

    def hook(epoch, metrics):
        seen.append(epoch)
        names.update(metrics)

    trainer.fit([hook, hook])
    assert seen == [0, 0, 1, 1, 2, 2]
    assert names >= {"train/loss", "val/loss", "val/macro_auc", "val/auc_NORM", "val/auc_HYP"}
    assert names >= {"lr", "epoch_seconds", "records_per_second"}


def test_learning_rates_equal_torchs_own_schedule(prepared):
    config = tiny_config()
    history = tiny_trainer(prepared, config).fit([]).history
    steps = -(-N_TRAIN // config.training.batch_size)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.01, epochs=config.training.epochs, steps_per_epoch=steps, pct_start=0.3
    )
    expected = []
    for _, step in itertools.product(range(config.training.epochs), range(steps)):
        optimizer.step()
        schedule.step()
        if step == steps - 1:
            expected.append(schedule.get_last_lr()[0])
    assert [metrics["lr"] for metrics in history] == pytest.approx(expected, rel=1e-12)


def test_a_rise_of_one_step_is_a_schedule_too(prepared):
    config = tiny_config(training__epochs=1, training__pct_start="0.5", training__batch_size=24)
    rates: list[float] = []
    trainer = tiny_trainer(prepared, config)
    step = trainer.train_step
    trainer.train_step = lambda rows: (
        rates.append(trainer.scheduler.get_last_lr()[0]),
        step(rows),
    )[1]
    trainer.fit([])
    assert len(rates) == 2
    assert 0.01 >= rates[0] > rates[1] > 0


@pytest.mark.parametrize(("patience", "expected"), [(1, 3), (2, 4), (9, 6)])
def test_patience_counts_epochs_since_the_best(prepared, patience, expected):
    trainer = tiny_trainer(prepared, tiny_config(training__epochs=6, training__patience=patience))
    # What stands on fold 9 is scripted: the best is the second epoch.
    scripted = iter([0.6, 0.7, 0.7, 0.65, 0.5, 0.4])
    trainer.train_step = lambda rows: torch.zeros(())
    trainer.validate = lambda: {"val/macro_auc": next(scripted)}
    result = trainer.fit([])
    assert len(result.history) == expected
    assert result.best_epoch == 1


def test_the_best_weights_are_those_of_the_best_epoch(prepared):
    trainer = tiny_trainer(prepared, tiny_config())
    scripted = iter([0.6, 0.9, 0.7])
    trainer.validate = lambda: {"val/macro_auc": next(scripted)}
    after: list[dict[str, torch.Tensor]] = []
    result = trainer.fit([lambda epoch, metrics: after.append(weights(trainer))])
    assert_same_bits(result.best_weights, after[1])
    assert not torch.equal(after[1]["head.0.weight"], after[2]["head.0.weight"])


def test_a_validation_changes_neither_weights_nor_random_states(prepared):
    trainer = tiny_trainer(prepared, tiny_config())
    before, state = weights(trainer), trainer.generator.get_state()
    assert trainer.validate() == trainer.validate()
    assert_same_bits(before, weights(trainer))
    assert torch.equal(state, trainer.generator.get_state())


def test_feature_dropout_is_the_expected_loss_over_both_forms(prepared):
    """Written out: the loss with features and the loss without, at their probabilities."""
    trainer = tiny_trainer(prepared, tiny_config(training__feature_dropout=0.25))
    trainer.model.eval()  # no dropout of units, so that the two calls see the same network
    rows = torch.arange(16)
    data = trainer.train
    signal, y_true = data.millivolts(rows), data.y_true[rows]
    features, present = data.features[rows], data.present[rows]
    with torch.no_grad():
        x = trainer.learner.normaliser(signal)
        fused = trainer.learner.loss(trainer.model(x, features, present), y_true)
        bare = trainer.learner.loss(trainer.model(x, None, None), y_true)
        given = trainer.learner.expected_loss(signal, features, present, y_true)
    assert float(given) == pytest.approx(float(0.75 * fused + 0.25 * bare), abs=1e-6)
    assert abs(float(fused) - float(bare)) > 1e-6  # else any mixture of the two would do


# ---------------------------------------------------------------- what goes wrong


def test_a_diverging_learning_rate_is_one_clear_error(prepared):
    trainer = tiny_trainer(prepared, tiny_config(training__learning_rate="1e30"))
    with pytest.raises(DataError, match=r"loss became nan.*lower training\.learning_rate"):
        trainer.fit([])


def test_a_single_training_record_is_refused(prepared):
    trainer = tiny_trainer(prepared, tiny_config())
    with pytest.raises(DataError, match="at least 2 records, but has 1"):
        Trainer(
            trainer.model,
            first(trainer.train, 1),
            trainer.validation,
            trainer.learner.fs,
            trainer.learner.normaliser,
            trainer.config,
            trainer.augmentation,
            trainer.generator,
        )


def test_a_last_batch_of_one_record_is_spread_over_the_others(prepared):
    config = tiny_config(training__epochs=1, training__batch_size=N_TRAIN - 1)
    trainer = tiny_trainer(prepared, config)
    sizes: list[int] = []
    step = trainer.train_step
    trainer.train_step = lambda rows: (sizes.append(len(rows)), step(rows))[1]
    trainer.fit([])
    assert sizes == [N_TRAIN // 2, N_TRAIN // 2]


# ---------------------------------------------------------------- hooks of the project


def test_the_writer_keeps_the_last_and_the_best_and_uploads_both(prepared, tmp_path):
    trainer = tiny_trainer(prepared, tiny_config())
    uploaded: list[str] = []
    writer = CheckpointWriter(trainer, tmp_path / "c", lambda path: uploaded.append(path.name))
    result = trainer.fit([writer])
    assert uploaded == []  # a minute hasn't passed
    writer.upload_all()
    assert sorted(uploaded) == ["best.safetensors", "last.safetensors"]
    last, best = load_checkpoint(writer.last), load_checkpoint(writer.best)
    assert last.state["epoch"] == 3
    assert best.state["epoch"] == result.best_epoch
    assert_same_bits(best.tensors, result.best_weights)


def test_the_logger_repeats_no_epoch_that_was_logged():
    seen: list[int] = []
    logger = MetricLogger(lambda metrics, epoch: seen.append(epoch), last_epoch=1)
    for epoch in range(4):
        logger(epoch, {"val/loss": 0.1})
    assert seen == [2, 3]
