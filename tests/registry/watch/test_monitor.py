"""One look at a log whose answers are a pretrained model's real ones on fold 9.

Covers: registry.watch.look, registry.watch.pages, registry.watch.feedback,
    registry.watch.reference, registry.watch.schedule.
"""

import csv
import json
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.metrics import roc_auc_score

from heart_reader.bundle.kinds import open_bundle
from heart_reader.config.request import config_request
from heart_reader.errors import ConfigError, DataError
from heart_reader.predictions.columns import Answered
from heart_reader.predictions.log import Log
from heart_reader.predictions.place import find_place
from registry.client import Registry
from registry.settings import load_settings
from registry.sync.plan import State, monitor_due
from registry.sync.steps import STEPS, SyncRequest
from registry.watch import monitor
from registry.watch.reference import answer
from tests.conftest import REPOSITORY
from tests.predictions.test_log import answered
from tests.registry.compare.test_compare import evidence, log_version
from tests.tracking.processes import Store

NAME = "heart-reader-se_resnet1d"
MODEL = f"{NAME}@champion"
TRUTH = evidence("se_resnet1d")
CLASSES = TRUTH.classes
N = 300
PRETRAINED = REPOSITORY / "pretrained" / "se_resnet1d"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    """A version with its fold-9 predictions; its bundle is the pretrained one."""
    made = Store(tmp_path_factory.mktemp("monitor"))
    bundle = open_bundle(PRETRAINED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        patch.setenv("MLFLOW_TRACKING_URI", made.uri)
        patch.setattr(monitor, "load_registered", lambda version: bundle)
        mlflow.set_experiment("monitor")
        log_version(MlflowClient(), "se_resnet1d", TRUTH.y_score, TRUTH)
        yield made


@pytest.fixture
def keep(store, tmp_path: Path, monkeypatch):
    """Logs scores as answers; the log is this test's own."""
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEART_READER_LOG", f"sqlite:///{tmp_path}/log.db")
    monkeypatch.setenv("HEART_READER_LOG_KEY", "secret")
    place = find_place()
    assert place is not None
    limits = open_bundle(PRETRAINED).thresholds

    def row(k: int, score: np.ndarray, **changes: object) -> Answered:
        said = dict(zip(CLASSES, score.tolist(), strict=True))
        labels = [name for name, there in zip(CLASSES, score >= limits, strict=True) if there]
        told = {
            "model": f"{NAME}/1",
            "probabilities": said,
            "labels": labels,
            "request": str(k % 1000),
        }
        return replace(answered(k), **(told | changes))

    def add(rows: np.ndarray, scores: np.ndarray, first: int = 0, **changes: object) -> None:
        log = Log(place, background=False)
        log.add(
            [
                row(first + k, scores[k], record=place.hashed(f"r{n}"), **changes)
                for k, n in enumerate(rows)
            ]
        )
        log.close()

    return add


def looked(*words: str) -> tuple[int, mlflow.entities.Run | None]:
    """The exit code, and the run that was made."""
    client = MlflowClient()
    before = {run.info.run_id for run in client.search_runs(["1"])}
    try:
        monitor.main(["--model", MODEL, "--monitor.window", str(N), "--data", "/nowhere", *words])
        code = 0
    except SystemExit as stop:
        code = int(stop.code)
    new = [run for run in client.search_runs(["1"]) if run.info.run_id not in before]
    return code, new[0] if new else None


def tags() -> dict[str, str]:
    return MlflowClient().get_model_version(NAME, "1").tags


def drawn(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).choice(len(TRUTH.y_score), n, replace=False)


def test_answers_like_fold_9_raise_no_alarm(keep):
    rows = drawn(0)
    keep(rows, TRUTH.y_score[rows])
    code, run = looked()
    assert code == 0 and run is not None
    assert tags()["drift"] == "none" and tags()["drift_run"] == run.info.run_id
    assert run.data.metrics["n"] == N and run.data.metrics["n_alerts"] == 0
    assert run.data.tags["monitored"] == f"{NAME}/1"
    page = Path(MlflowClient().download_artifacts(run.info.run_id, "monitor.html")).read_text()
    assert "No alert." in page and "<svg" in page and "<script" not in page
    assert "http" not in page.partition("<svg")[0]


def test_other_answers_do_and_somebody_is_told(keep, tmp_path: Path):
    rows = drawn(1, 2 * N)
    scores = TRUTH.y_score[rows].copy()
    ill = TRUTH.y_score[:, 1] > 0.5
    scores[N:] = TRUTH.y_score[ill][np.arange(N) % ill.sum()]  # of now: infarcts alone
    keep(rows, scores)
    told = tmp_path / "told.json"
    save = f"import sys; open({str(told)!r}, 'w').write(sys.stdin.read())"
    command = shlex.join([sys.executable, "-c", save])
    code, run = looked("--monitor.command", command)
    assert code == monitor.ALERT and run is not None
    alerts = json.loads(told.read_text())["alerts"]
    assert "probability MI against fold 9" in alerts
    assert "label MI against the window before" in alerts
    assert tags()["drift"].startswith("alert: ") and "probability MI" in tags()["drift"]
    now, then = (TRUTH.y_score[ill, 1][np.arange(N) % ill.sum()], TRUTH.y_score[:, 1])
    text = run.data.tags["mlflow.note.content"]
    row = next(line for line in text.splitlines() if line.startswith("| probability MI | fold 9"))
    assert f"{np.median(now):.3g} (median)" in row and f"{np.median(then):.3g} (median)" in row
    assert run.data.params["monitor.command"] == "set"  # it may hold a secret


def test_of_few_answers_nothing_is_said(keep, capsys):
    keep(np.arange(20), TRUTH.y_score[:20])
    code, run = looked()
    assert code == 0 and run is None
    assert "nothing is said of fewer than 100" in capsys.readouterr().out


def test_a_shadow_is_held_beside_its_champion(keep):
    rows = drawn(2)
    own, other = TRUTH.y_score[rows], TRUTH.y_score[rows].copy()
    other[: N // 2] = 1 - other[: N // 2]
    made = MlflowClient().create_model_version(NAME, "runs:/x/y", None)
    keep(rows, own)
    keep(rows, other, first=1000, model=f"{NAME}/{made.version}", role="shadow")
    code, run = looked()
    assert code == 0 and run is not None
    limits = open_bundle(PRETRAINED).thresholds
    expected = ((own >= limits) == (other >= limits)).mean()
    (agreement,) = (v for k, v in run.data.metrics.items() if k.startswith("shadow/"))
    assert agreement == pytest.approx(expected, abs=1e-9)
    apart = f"{np.abs(own - other).mean():.3f}"
    assert apart in run.data.tags["mlflow.note.content"].partition("### Shadows")[2]


def test_sync_looks_when_there_is_something_to_look_at(keep):
    state = State(Registry())
    MlflowClient().set_model_version_tag(NAME, "1", "drift_next", "0")
    assert monitor_due(state) == []  # no answer is logged
    rows = drawn(7, 120)
    keep(rows, TRUTH.y_score[rows])
    (step,) = monitor_due(State(Registry()))
    assert (step.entry, step.target) == ("monitor", f"models:/{NAME}/1")
    request = SyncRequest(load_settings({})[0], config_request({"data": "/nowhere"}), ())
    assert STEPS["monitor"].run(Registry(), step, request) == 0
    assert float(tags()["drift_next"]) == pytest.approx(time.time() + 86_400, abs=120)
    assert monitor_due(State(Registry())) == []
    MlflowClient().set_model_version_tag(NAME, "1", "drift_next", "no number")
    assert len(monitor_due(State(Registry()))) == 1


# ---------------------------------------------------------------- feedback


def labels_file(path: Path, rows: np.ndarray, wrong: bool = False) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["record", "label"])
        for n in rows:
            truth = TRUTH.y_true[(n * 7 + 1) % len(TRUTH.y_true) if wrong else n]
            words = [name for name, there in zip(CLASSES, truth, strict=True) if there]
            writer.writerow([f"r{n}", "; ".join(words)])
    return path


def test_labels_that_come_later_say_how_good_it_was(keep, tmp_path: Path):
    rows = drawn(3)
    keep(rows, TRUTH.y_score[rows])
    known = rows[: N - 50]
    code, run = looked("--feedback", str(labels_file(tmp_path / "l.csv", known)))
    assert code == 0 and run is not None
    expected = roc_auc_score(TRUTH.y_true[known], TRUTH.y_score[known])
    assert run.data.metrics["feedback/macro_auc"] == pytest.approx(expected, abs=1e-6)
    assert f"{len(known)} records with an answer" in run.data.tags["mlflow.note.content"]


def test_worse_than_on_fold_9_is_an_alert(keep, tmp_path: Path):
    rows = drawn(4)
    keep(rows, TRUTH.y_score[rows])
    code, _ = looked("--feedback", str(labels_file(tmp_path / "l.csv", rows, wrong=True)))
    assert code == monitor.ALERT
    assert tags()["drift"] == "alert: macro AUC of the feedback"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("record,label\nr1,INFARCT\n", "the model has no class 'INFARCT'"),
        ("ecg,label\nr1,MI\n", "must have the columns record and label"),
        ("", "must have the columns record and label"),
        ("record,label\nnobody,MI\n", "none of 1 records of the feedback has an answer"),
    ],
)
def test_feedback_that_cannot_be_used_is_refused(keep, tmp_path, text, said):
    rows = drawn(5, 150)
    keep(rows, TRUTH.y_score[rows])
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        looked("--feedback", str(tmp_path / "l.csv"))


def test_feedback_needs_the_key_of_the_log(keep, tmp_path, monkeypatch):
    rows = drawn(6, 150)
    keep(rows, TRUTH.y_score[rows])
    monkeypatch.delenv("HEART_READER_LOG_KEY")
    with pytest.raises(DataError, match="set HEART_READER_LOG_KEY"):
        looked("--feedback", str(labels_file(tmp_path / "l.csv", rows)))


# ---------------------------------------------------------------- words


def test_a_row_of_fold_9_is_what_the_model_says(demo_root: Path):
    import wfdb

    paths = sorted(demo_root.glob("records100/**/*.hea"))[:2]
    signals = np.stack([wfdb.rdsamp(str(path)[:-4])[0].T for path in paths]).astype(np.float32)
    bundle = open_bundle(PRETRAINED)
    rows = list(answer("m", bundle, signals, [(61.0, 0.0), (float("nan"), 1.0)]))
    expected = bundle.predict(signals, "compute", [61.0, np.nan], [0.0, 1.0])
    said = np.array([list(row["probabilities"].values()) for row in rows])
    np.testing.assert_allclose(said, expected, atol=1e-6)
    assert [row["decade"] for row in rows] == [60, None] and rows[0]["record"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "monitor needs --model"),
        (["--model", "x@y", "--monitor.level", "2"], "level must lie above 0 and below 1"),
        (["--model", "x@y", "--monitor.window", "50"], "window must be at least fewest, 100"),
        (["--model", "x@y", "--monitor.url", "http://127.0.0.1/x"], "monitor.url: .*scheme"),
        (["--model", "x@y", "--monitor.command", "'"], "monitor.command can't be split"),
        (["--model", "x@y"], "set HEART_READER_LOG"),
    ],
)
def test_what_cannot_be_is_refused_first(words, said, monkeypatch):
    monkeypatch.delenv("HEART_READER_LOG", raising=False)
    with pytest.raises(ConfigError, match=said):
        monitor.main(words)
