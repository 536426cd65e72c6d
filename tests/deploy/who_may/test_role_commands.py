"""What each kind of user gets when they call a command, on a real platform."""

from pathlib import Path

import pytest

from tests.deploy.running import User
from tests.tracking.processes import SMALL, Started, words
from tests.tuning.test_tune import SEARCH
from tests.tuning.test_workers import SPACE

API = "api/2.0/mlflow"


def started(user: User, folder: Path, module: str, options: dict[str, str]) -> Started:
    """``python -m MODULE``, to its end."""
    cache = {"HEART_READER_CACHE": str(user.platform.state / "cache")}
    process = user.start(folder / "log", "-m", module, *words(options), **cache)
    process.finish(600)
    return process


def runs_of(user: User) -> int:
    """How many runs people made in the experiment of trainings; `sync` makes some at any time."""
    body = {"experiment_ids": ["1"], "max_results": 1000}
    found = user.ask("POST", f"{API}/runs/search", body).json().get("runs", [])
    tags = [{tag["key"] for tag in run["data"].get("tags", [])} for run in found]
    return sum("follows" not in each for each in tags)


MODEL = "heart-reader-se_resnet1d"
NO_REGISTRATION = (
    "error: user 'roles-reader' may not register or promote versions of "
    f"'{MODEL}': that takes the role of a member, or its owner's permission"
)


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("heart_reader.train", SMALL | {"backbone": "se_resnet1d"}),
        ("registry.gate.promote", {"model": f"{MODEL}@candidate"}),
    ],
)
def test_what_a_reader_may_not_do_is_said_before_the_work(
    people: dict[str, User],
    trained: list[str],
    tmp_path: Path,
    module: str,
    options: dict[str, str],
):
    before = runs_of(people["admin"])
    done = started(people["reader"], tmp_path, module, options)
    assert done.process.returncode == 1
    lines = [line for line in done.output().splitlines() if line.startswith("error")]
    assert lines == [NO_REGISTRATION] and "Traceback" not in done.output()
    assert runs_of(people["admin"]) == before


def test_a_reader_may_look_for_what_was_left_behind(
    people: dict[str, User], trained: list[str], tmp_path: Path
):
    done = started(people["reader"], tmp_path, "registry.doctor", {})
    assert done.process.returncode == 0, done.output()


def test_a_member_tunes_in_an_experiment_of_somebody_else(
    people: dict[str, User], trained: list[str], tmp_path: Path
):
    """Checkpoints of trials stay, since only the experiment's owner may delete; that is all."""
    (tmp_path / "space.yaml").write_text(SPACE)
    done = started(people["member"], tmp_path, "tuning.tune", SEARCH)
    assert done.process.returncode == 0, done.output()
    line = "checkpoints of trials stay: user 'roles-member' may not delete them"
    assert done.output().count(line) == 1
    body = {"experiment_ids": ["1"], "filter": "tags.trial LIKE '%'"}
    found = people["admin"].ask("POST", f"{API}/runs/search", body).json()["runs"]
    assert [run["info"]["status"] for run in found].count("FINISHED") >= 1
    assert not {run["info"]["status"] for run in found} & {"FAILED", "RUNNING"}


def test_a_member_is_told_before_the_work_that_others_promote(
    people: dict[str, User], trained: list[str], tmp_path: Path
):
    before = runs_of(people["admin"])
    done = started(people["member"], tmp_path, "registry.gate.promote", {"model": "all"})
    assert done.process.returncode == 1
    (line,) = [line for line in done.output().splitlines() if line.startswith("error")]
    assert "user 'roles-member' may not say which version is champion of 'heart-reader-" in line
    assert line.endswith("that takes a promoter's role")
    assert runs_of(people["admin"]) == before


def test_a_promoter_promotes_what_somebody_else_trained(
    people: dict[str, User], trained: list[str], tmp_path: Path
):
    options = {"model": f"{MODEL}@candidate", "force": "for the test"}
    done = started(people["promoter"], tmp_path, "registry.gate.promote", options)
    assert done.process.returncode == 0, done.output()
    path = f"{API}/registered-models/alias?name={MODEL}&alias=champion"
    assert people["reader"].ask("GET", path).status_code == 200
