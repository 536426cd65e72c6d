"""The pretrained models' real fold-9 predictions, compared as versions and as runs.

Covers: registry.compare.make, registry.compare.measure, registry.compare.opinions,
    registry.compare.pages, registry.ground.logged, registry.compare.parts,
    registry.compare.differing, registry.compare.costs.
"""

from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from mlflow import MlflowClient
from safetensors.numpy import load_file
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from heart_reader.bundle.evidence import Evidence, load_evidence
from heart_reader.config.request import config_request
from heart_reader.errors import ConfigError, ModelError
from heart_reader.project import REPOSITORY
from heart_reader.tracking import Run, resolve_version
from registry.client import Registry
from registry.compare import costs, measure, pages
from registry.compare.differing import differing, of_some, packages_of
from registry.compare.make import log_pair, main, read_request
from registry.compare.opinions import Opinion
from registry.compare.parts import find_records, measure_parts, said_of, write_sheets
from registry.gate.parts import each_part
from registry.ground.fold9 import load_records
from registry.ground.logged import Logged
from registry.settings import load_settings
from tests.tracking.processes import Store

NAMES = ("inception1d", "se_resnet1d")
HOSTILE = "<script>alert(1)</script>|x"


def evidence(name: str) -> Evidence:
    found = load_evidence(REPOSITORY / "pretrained" / name)
    assert found is not None
    return found


def log_version(client: MlflowClient, name: str, scores: np.ndarray, truth: Evidence) -> str:
    """A run with predictions, and a version of it; gives the run."""
    with mlflow.start_run(run_name=name) as run:
        frame = truth.scored(scores, np.full(5, 0.5)).frame()
        frame.to_parquet("predictions_fold9.parquet", index=False)
        mlflow.log_artifact("predictions_fold9.parquet")
        mlflow.log_params(
            {"training.epochs": str(sum(map(ord, name))), "training.batch_size": "128"}
        )
        full = f"heart-reader-{name}"
        client.create_registered_model(full)
        made = client.create_model_version(full, f"{run.info.artifact_uri}/x", run.info.run_id)
        mlflow.set_tags({"model": f"models:/{full}/{made.version}", "git_commit": HOSTILE})
    client.set_registered_model_alias(full, "champion", made.version)
    return run.info.run_id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    made = Store(tmp_path_factory.mktemp("compare"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        patch.setenv("MLFLOW_TRACKING_URI", made.uri)
        mlflow.set_experiment("compare")
        client = MlflowClient()
        runs = [log_version(client, n, evidence(n).y_score, evidence(n)) for n in NAMES]
        first = evidence(NAMES[0])
        worse = first.y_score.copy()
        worse[:, 4] = worse[::-1, 4]  # HYP of somebody else
        runs.append(log_version(client, "xresnet1d18", worse, first))
        yield made, runs


def compared(words: list[str]) -> mlflow.entities.Run:
    main(words)
    (run,) = MlflowClient().search_runs(["1"], order_by=["start_time DESC"], max_results=1)
    return run


def test_champions_are_held_against_each_other(store, tmp_path: Path, capsys):
    run = compared(["--alias", "champion"])
    truth = evidence(NAMES[0]).y_true
    for name in NAMES:
        auc = roc_auc_score(truth, evidence(name).y_score)
        assert run.data.metrics[f"{name}_1/macro_auc"] == pytest.approx(auc, abs=1e-6)
    gained = run.data.metrics["se_resnet1d_1/difference"]
    metrics = run.data.metrics
    expected = metrics["se_resnet1d_1/macro_auc"] - metrics["inception1d_1/macro_auc"]
    assert gained == pytest.approx(expected, abs=1e-9)
    assert "2,146 records of fold 9" in capsys.readouterr().out
    client = MlflowClient()
    for name in NAMES:
        version = client.get_model_version(f"heart-reader-{name}", "1")
        assert version.tags["compared_in"] == run.info.run_id
    page = Path(client.download_artifacts(run.info.run_id, "comparison.html")).read_text()
    text = Path(client.download_artifacts(run.info.run_id, "comparison.md")).read_text()
    assert "<svg" in page and "http://" not in page.partition("<svg")[0]
    assert "training.epochs" in page and "training.batch_size" not in page
    assert text == run.data.tags["mlflow.note.content"]


def test_what_others_wrote_is_escaped(store):
    _, runs = store
    MlflowClient().set_tag(runs[0], "git_commit", "another")
    run = compared(["--runs", ",".join(runs[:2])])
    page = Path(MlflowClient().download_artifacts(run.info.run_id, "comparison.html")).read_text()
    text = run.data.tags["mlflow.note.content"]
    assert "another" in page and "alert(1)" in page
    assert "<script" not in page and "<script" not in text


def test_a_class_that_is_worse_is_found_and_no_other(store):
    _, runs = store
    run = compared(["--runs", f"{runs[0]},{runs[2]}"])
    text = run.data.tags["mlflow.note.content"]
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "-0.4" in rows["HYP"] and " * (" in rows["HYP"]
    for name in ("NORM", "MI", "STTC", "CD"):
        assert "+0.0000 (+0.0000 to +0.0000)" in rows[name] and "*" not in rows[name]


def test_the_same_model_differs_in_nothing():
    values = np.concatenate([[0.0], np.zeros(500)])
    assert measure.difference_of(values) == measure.Value(0.0, 0.0, 0.0, 1.0)
    better = measure.difference_of(np.concatenate([[0.1], np.full(500, 0.1)]))
    assert better.p == 2 / 500  # no more can be said of 500 resamples that are all the same


def test_how_sure_a_difference_is_by_count_and_beyond_that_by_the_normal_distribution():
    drawn = np.random.default_rng(6).normal(0.01, 0.01, 1000)
    near = measure.difference_of(np.concatenate([[0.01], drawn]))
    assert near.p == 2 * (drawn <= 0).mean()
    far = measure.difference_of(np.concatenate([[0.06], drawn + 0.05]))
    assert far.p == pytest.approx(2 * norm.sf(0.06 / drawn.std(ddof=1)))
    assert measure.held([[far.p] * 198]) == ((True,) * 198,)  # ten models, 22 parts


def test_holm_steps_down_by_hand():
    def row(*p: float) -> measure.Row:
        none = measure.Value(0, 0, 0)
        gains = tuple(measure.Value(0, 0, 0, each) for each in p)
        return measure.Row("x", none, none, none, none, (), gains, 1.0)

    # Of four: 0.01 <= 0.05 / 4, 0.016 <= 0.05 / 3, 0.03 > 0.05 / 2 ends it.
    sure = measure._sure([row(0, 0), row(0.01, 0.03), row(0.016, 0.04)])
    assert sure == ((False, False), (True, False), (True, False))


def test_records_far_apart_are_named_with_what_each_said(store):
    run = compared(["--alias", "champion", "--compare.n_records", "3"])
    path = MlflowClient().download_artifacts(run.info.run_id, "records.csv")
    lines = Path(path).read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith("ecg_id,class,true,apart,inception1d/1")
    a, b = (evidence(name) for name in NAMES)
    worse = a.y_score.copy()
    worse[:, 4] = worse[::-1, 4]
    scores = np.stack([a.y_score, b.y_score, worse])
    apart = scores.max(axis=0) - scores.min(axis=0)
    first = a.ecg_id[apart.max(axis=1).argmax()]
    assert lines[1].split(",")[0] == str(first)


@pytest.mark.parametrize(("words", "said"), [
    ([], "at least 2 models, but there is none"),
    (["--models", "heart-reader-se_resnet1d/1"], "at least 2 models, but there is se_resnet1d/1"),
    (["--models", "se_resnet1d@nobody,x/1"], "the registry has no"),
    (["--models", "heart-reader-se_resnet1d/1", "--alias", "champion"], "twice: se_resnet1d/1"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused_and_leaves_no_run(store, words, said):
    client = MlflowClient()
    before = len(client.search_runs(["1"]))
    with pytest.raises((ConfigError, ModelError), match=said):
        main(words)
    assert len(client.search_runs(["1"])) == before


def test_other_records_are_refused(store):
    _, runs = store
    whole = evidence(NAMES[0])
    half = Evidence(**{**vars(whole), "ecg_id": whole.ecg_id[:99], "y_true": whole.y_true[:99]})
    other = log_version(MlflowClient(), "xresnet1d34", whole.y_score[:99], half)
    with pytest.raises(ModelError, match="weren't judged on the same records of fold 9"):
        main(["--runs", f"{runs[0]},{other}"])


# ---------------------------------------------------------------- parts of the patients


def people() -> pd.DataFrame:
    """Made ages and sexes of fold 9's records."""
    rng = np.random.default_rng(3)
    n = len(evidence(NAMES[0]).ecg_id)
    age, sex = rng.uniform(30, 95, n).round(), rng.integers(0, 2, n).astype(float)
    return pd.DataFrame({"age": age, "sex": sex})


def opinion(name: str, scores: np.ndarray) -> Opinion:
    truth = evidence(NAMES[0])
    known = Logged(truth.classes, truth.ecg_id, truth.y_true, scores, scores, None)
    limits = np.full(scores.shape[1], 0.5)
    return Opinion(name, None, "", known, scores >= limits, limits, {})


def test_better_in_the_mean_and_worse_for_women_over_75_is_seen_by_compare_and_gate():
    about, truth = people(), evidence(NAMES[0])
    old_women = ((about["sex"] == 1) & (about["age"] >= 75)).to_numpy()
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.12, truth.y_score.shape)
    noise[old_women] = 0
    champion = np.clip(truth.y_score + noise, 0, 1).astype(np.float32)
    candidate = truth.y_score.copy()
    shaken = candidate[old_women] + rng.normal(0, 0.25, candidate[old_women].shape)
    candidate[old_women] = np.clip(shaken, 0, 1)
    both = [opinion("champion", champion), opinion("candidate", candidate)]
    whole = measure.compare(both, 200, 0)
    assert whole.rows[1].gain.value > 0
    records = SimpleNamespace(metadata=about)
    found = {part.name: part for part in measure_parts(both, records, np.arange(len(about)), 200)}
    worse = found["women over 75"]
    assert worse.n == old_women.sum()
    auc = [roc_auc_score(truth.y_true[old_women], s[old_women]) for s in (champion, candidate)]
    assert worse.first.value == pytest.approx(auc[0], abs=1e-6)
    assert worse.gains[0].value == pytest.approx(auc[1] - auc[0], abs=1e-6)
    assert worse.gains[0].high < 0
    better = found["men over 75"]
    assert better.gains[0].low > 0
    gate = load_settings({"gate.n_resamples": "1000"})[0].gate
    judged = each_part(about, truth.y_true, candidate, champion, gate)
    assert not judged.passed and "women over 75" in judged.text
    part = pages.tables(whole, {}, list(found.values()))[2]
    (row,) = (row for row in part.rows if row[0] == "women over 75")
    assert part.title == "Parts of the patients" and f"{worse.gains[0].value:+.4f}" in row[3]
    said = pages.verdict(whole, list(found.values()))
    assert "surely better: candidate" in said
    assert f"Surely worse: candidate for women over 75 ({worse.gains[0].value:+.3f})" in said


def test_without_records_the_page_says_what_is_missing(store):
    both = ",".join(f"heart-reader-{name}@champion" for name in NAMES)
    run = compared(["--models", both, "--data", "/nowhere"])
    text = run.data.tags["mlflow.note.content"]
    assert "Parts of the patients weren't looked at: there are no records at '/nowhere'" in text


def test_the_records_that_divide_models_are_drawn_with_what_each_says(demo_root, tmp_path):
    request = config_request({"data": str(demo_root), "task": "superdiagnostic"})
    records = load_records([], request.for_bundle({}))
    rows = records.rows((9,))
    rng = np.random.default_rng(5)
    n, classes = len(rows), records.task.classes
    both = []
    for name in ("a", "b"):
        scores = rng.random((n, len(classes))).astype(np.float32)
        y_true = records.y_true[rows]
        known = Logged(classes, records.ecg_id[rows], y_true, scores, scores, None)
        limits = np.full(len(classes), 0.5)
        both.append(Opinion(name, None, "", known, scores >= limits, limits, {}))
    assert find_records(both, request)[1].tolist() == rows.tolist()
    found = measure.compare(both, 100, 2)
    (sheet,) = write_sheets(found, both, records, rows, 1, tmp_path)
    row = int(np.flatnonzero(both[0].logged.ecg_id == found.apart["ecg_id"][0])[0])
    assert sheet.name == f"apart_1_{found.apart['ecg_id'][0]:05d}.png"
    said = said_of(both, row, 0)
    c = int(both[1].logged.judged[row].argmax())
    assert f"b: {classes[c]} {both[1].logged.judged[row, c]:.2f}" in said
    assert imread(sheet).std() > 0.02  # ink on paper


# ---------------------------------------------------------------- beside a promotion


def test_a_promotion_keeps_the_comparison_with_its_champion(store, capsys):
    first, second = (resolve_version(f"heart-reader-{name}/1") for name in NAMES)
    with mlflow.start_run(run_name="promote") as opened:
        log_pair(Registry(), Run(opened.info.run_id), first, second)
    client = MlflowClient()
    text = client.download_artifacts(opened.info.run_id, "comparison/comparison.md")
    assert "inception1d/1 and 1 more" in Path(text).read_text()
    assert client.get_run(opened.info.run_id).data.metrics == {}
    tags = client.get_model_version(second.name, "1").tags
    assert tags["compared_in"] == opened.info.run_id
    whole = evidence(NAMES[0])
    half = Evidence(**{**vars(whole), "ecg_id": whole.ecg_id[:99], "y_true": whole.y_true[:99]})
    log_version(client, "xresnet1d50", whole.y_score[:99], half)
    with mlflow.start_run(run_name="promote") as opened:
        few = resolve_version("heart-reader-xresnet1d50/1")
        log_pair(Registry(), Run(opened.info.run_id), first, few)
    assert "no comparison is logged: inception1d/1 and xresnet1d50/1" in capsys.readouterr().out


# ---------------------------------------------------------------- what differs, what it costs


def test_only_what_differs_is_a_difference():
    both = [
        {"epochs": "18", "loss": "bce", "members": "a,b", "package numpy": "2.4.6"},
        {"epochs": "9", "loss": "bce"},
        {"epochs": "9", "depth": "6", "package numpy": "2.4.1", "package torch": "2.13.0"},
    ]
    assert differing(both) == {
        "epochs": ["18", "9", "9"],
        "package numpy": ["2.4.6", "", "2.4.1"],
    }
    assert of_some(both) == {
        "depth": ["", "", "6"], "loss": ["bce", "bce", ""], "members": ["a,b", "", ""]
    }  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [
    ('{"components": [{"type": "library", "name": "numpy", "version": "2.4.6"}, {"type": "file", '
     '"name": "bundle.json"}]}', {"package numpy": "2.4.6"}),
    ('{"components": [{"type": "library"}]}', {}),
    ("junk", {}),
    (None, {}),
])  # fmt: skip
def test_packages_are_those_of_the_bill_of_materials(tmp_path: Path, text, expected):
    file = tmp_path / "sbom.cdx.json"
    if text is not None:
        file.write_text(text)
    run = SimpleNamespace(download=lambda name, folder: file if file.exists() else None)
    assert packages_of(run, tmp_path) == expected


def test_a_version_is_weighed_and_timed(monkeypatch):
    folder = REPOSITORY / "pretrained" / "se_resnet1d"
    monkeypatch.setattr(costs, "download_bundle", lambda version, into: folder)
    found = costs.cost_of(None, 1)
    held = load_file(folder / "weights.safetensors")
    learnt = sum(v.size for k, v in held.items() if "running_" not in k and "num_batches" not in k)
    assert found is not None and found.n_parameters == learnt and 0 < found.ms < 60_000
    assert found.megabytes == sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    table = pages.tables(measure.compare([opinion("a", evidence(NAMES[0]).y_score)] * 2, 100, 0),
                         costs=[found, None])[2]  # fmt: skip
    assert table.title == "Size and speed" and table.rows[0][1] == f"{learnt:,}"
    assert len(table.rows) == 1


# ---------------------------------------------------------------- studies


def test_what_was_trained_with_the_best_of_two_studies_is_compared(store):
    _, runs = store
    client = MlflowClient()
    client.set_tag(runs[0], "study", "first")
    client.set_tag(runs[1], "study", "second,third")
    run = compared(["--study", "first,third"])
    assert run.data.tags["compared"] == ",".join(f"heart-reader-{name}/1" for name in NAMES)
    with pytest.raises(ModelError, match="no version was trained with the best of study 'fourth'"):
        main(["--study", "fourth"])


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match=r"unknown option 'model', did you mean 'models'"):
        read_request({"model": "x"})
