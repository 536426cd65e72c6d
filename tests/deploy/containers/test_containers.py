"""The platform in real containers: built, used from outside, killed, backed up, emptied, restored.

Minutes, and an engine: `make try-containers`, or with the server's image alone

    HEART_READER_CONTAINERS=server python -m pytest -m containers tests/deploy/containers
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from deploy.backups.shelf import Shelf
from deploy.containers import Containers
from deploy.running.supervisor import PlatformError
from tests.deploy.containers.engine import (
    NoEngineError,
    base_images,
    build_arguments,
    docker,
    engine,
)
from tests.deploy.running import Platform, User
from tests.tracking.processes import SMALL, words

pytestmark = pytest.mark.containers
WHOLE = os.environ.get("HEART_READER_CONTAINERS", "whole") == "whole"
SERVICES = ["postgres", "objects", "mlflow", *(["sync"] if WHOLE else [])]
BYTES_OF_SERVER = 1e9
SECONDS = 300.0  # that all of them may take to be healthy
RUN = "api/2.0/mlflow/runs/get?run_id="


class Contained(Platform):
    """A platform whose services are containers of a project of its own."""

    @property
    def containers(self) -> Containers:
        return Containers(self.state, self.variables)

    @property
    def built_from(self) -> Path:
        """A file with the commit of the images."""
        return self.state / "commit"

    def id(self, service: str) -> str:
        """The container of a service."""
        return self.containers.ask("ps", "-q", service)[0]

    def inspect(self, service: str, what: str) -> str:
        """Something that Docker knows of a service's container."""
        return docker("inspect", "-f", what, self.id(service)).stdout.strip()

    def up(self) -> float:
        """Brings everything up; seconds until all are healthy."""
        started = time.monotonic()
        try:
            self.containers.call("up", "--detach", *SERVICES[2:])
        except PlatformError:
            self.containers.call("logs", "--tail=20")
            raise
        self.wait_healthy()
        return time.monotonic() - started

    def wait_healthy(self) -> None:
        """Waits for all health checks."""
        deadline = time.monotonic() + SECONDS
        left = list(SERVICES)
        while left:
            left = [s for s in left if self.inspect(s, "{{.State.Health.Status}}") != "healthy"]
            if left and time.monotonic() > deadline:
                raise AssertionError(f"{left}: {self.containers.ask('logs', '--tail=20', *left)}")
            time.sleep(0.5)

    def make(self, name: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """``make backup`` and the like, which find out that containers run."""
        done = self.tool(name, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    """Images built, nothing up; at the end containers and volumes are gone, layers stay."""
    made = Contained(tmp_path_factory.mktemp("contained"))
    try:
        with engine(), build_arguments() as arguments:
            base_images()
            project = {"COMPOSE_PROJECT_NAME": f"heartreadertest{os.getpid()}"}
            made.prepare(**project, **{k: v for k, v in arguments.items() if v})
            images = ["objects", *(["sync"] if WHOLE else [])]
            try:
                made.built_from.write_text(made.containers.environment()["COMMIT"])
                made.containers.call("build", *images)
                yield made
            finally:
                made.containers.call("down", "--volumes", "--timeout", "1")
    except NoEngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def ada(contained: Contained) -> User:
    print(f"up in {contained.up():.0f} s")
    return contained.user("ada", "member")


@pytest.fixture(scope="module")
def run_id(contained: Contained, ada: User, cache: Path, demo_root: Path, tmp_path_factory) -> str:
    """A training on this machine, outside the containers' network, as a member."""
    folder = tmp_path_factory.mktemp("host")
    options = words(SMALL | {"backbone": "se_resnet1d"})
    here = {"HEART_READER_CACHE": str(cache)}
    started = ada.start(folder / "log", "-m", "heart_reader.train", *options, **here)
    assert started.finish(600) == 0, started.output()
    (line,) = [line for line in started.output().splitlines() if "Look at the run:" in line]
    return line.rpartition("/")[2]


def run_of(user: User, run_id: str) -> object:
    """All that the server says of a run; the order of metrics and tags is nobody's promise."""
    return ordered(user.ask("GET", RUN + run_id).json())


def ordered(tree: object) -> object:
    """The same with every list sorted."""
    if isinstance(tree, dict):
        return {key: ordered(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return sorted((ordered(each) for each in tree), key=json.dumps)
    return tree


def test_the_servers_image_is_small_and_has_no_network_of_neurons(contained: Contained):
    size = int(docker("image", "inspect", "-f", "{{.Size}}", "heart-reader-server").stdout)
    assert size < BYTES_OF_SERVER
    code = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('tensorflow'))"
    assert (
        docker("run", "--rm", "heart-reader-server", "python", "-c", code).stdout == "None None\n"
    )
    found = docker("run", "--rm", "heart-reader-server", "find", "/usr/local", "-name", "*.pyc",
                   "-path", "*mlflow*")  # fmt: skip
    assert found.returncode == 0 and found.stdout == ""


def test_a_member_trains_and_downloads_from_outside(
    contained: Contained, ada: User, run_id: str, tmp_path: Path
):
    assert ada.ask("GET", RUN + run_id).json()["run"]["info"]["status"] == "FINISHED"
    uri = "models:/heart-reader-se_resnet1d/1"
    words = ["-m", "mlflow", "artifacts", "download", "-u", uri, "-d", str(tmp_path / "model")]
    started = ada.start(tmp_path / "log", *words)
    assert started.finish() == 0, started.output()
    assert [*(tmp_path / "model").rglob("weights.safetensors")]


def test_studies_are_reached_from_this_machine(contained: Contained, ada: User):
    opened = psycopg2.connect(
        host="127.0.0.1",
        port=contained.variables["POSTGRES_PORT"],
        dbname="studies",
        user="studies",
        password=contained.variables["STUDIES_PASSWORD"],
    )
    with opened, opened.cursor() as at:
        at.execute("SELECT current_user, current_database()")
        assert at.fetchone() == ("studies", "studies")
    opened.close()


@pytest.mark.skipif(not WHOLE, reason="the server's image alone: HEART_READER_CONTAINERS=server")
def test_sync_hears_of_an_alias_and_knows_its_commit(contained: Contained, ada: User, run_id: str):
    body = {"name": "heart-reader-se_resnet1d", "alias": "shown", "version": "1"}
    assert ada.ask("POST", "api/2.0/mlflow/registered-models/alias", body).status_code == 200
    deadline = time.monotonic() + 120
    while "woken at" not in docker("logs", contained.id("sync")).stdout:
        assert time.monotonic() < deadline, docker("logs", contained.id("sync"))
        time.sleep(0.5)
    commit = contained.built_from.read_text()
    command = ["exec", contained.id("sync"), "printenv", "HEART_READER_COMMIT"]
    assert docker(*command).stdout.strip() == commit != "unknown"


def test_all_that_is_killed_comes_back_with_what_it_had(
    contained: Contained, ada: User, run_id: str
):
    before = run_of(ada, run_id)
    pids = {name: int(contained.inspect(name, "{{.State.Pid}}")) for name in SERVICES}
    started = time.monotonic()
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    while any(contained.inspect(s, "{{.State.Pid}}") in ("0", str(pids[s])) for s in SERVICES):
        assert time.monotonic() < started + SECONDS
        time.sleep(0.2)
    contained.wait_healthy()
    print(f"killed, and back in {time.monotonic() - started:.0f} s")
    assert run_of(ada, run_id) == before


def test_backups_lie_on_this_machine_and_belong_to_who_made_them(
    contained: Contained, ada: User, run_id: str
):
    shelf = Shelf(contained.variables["BACKUPS"])
    for count in (1, 2):
        contained.make("backup", KEEP="2")
        assert len(shelf.whole()) == count
    contained.make("backup", KEEP="2")
    assert len(shelf.whole()) == 2
    named = contained.state / "elsewhere" / "before-the-move"
    contained.make("backup", TO=str(named))
    for folder in (shelf.newest(), named):
        assert folder.stat().st_uid == os.getuid() and oct(folder.stat().st_mode)[-3:] == "700"
        assert len(json.loads((folder / "manifest.json").read_text())["objects"]) > 30


def test_an_empty_platform_gets_back_what_it_had(contained: Contained, ada: User, run_id: str):
    before = run_of(ada, run_id)
    refused = contained.tool("empty")
    assert refused.returncode == 1 and "make empty SURE=yes" in refused.stderr
    contained.make("empty", SURE="yes")
    assert not contained.containers.exist()
    assert Shelf(contained.variables["BACKUPS"]).whole()
    contained.up()
    assert ada.ask("GET", RUN + run_id).status_code == 401  # nobody is known there
    started = time.monotonic()
    done = contained.make("restore")
    assert "restored and compared" in done.stdout
    contained.wait_healthy()
    print(f"restored in {time.monotonic() - started:.0f} s")
    assert run_of(ada, run_id) == before


def test_a_stop_is_no_kill(contained: Contained, ada: User):
    contained.containers.call("stop")
    for service in SERVICES:
        name = f"name={contained.variables['COMPOSE_PROJECT_NAME']}.*{service}"
        state = docker("ps", "-a", "--format", "{{.Status}}", "-f", name)
        assert state.stdout.startswith("Exited"), (service, state.stdout)
        assert "(137)" not in state.stdout, (service, state.stdout)


def test_without_an_engine_the_tools_run_as_before(tmp_path: Path):
    command = [sys.executable, "-m", "deploy.tool", "--state", str(tmp_path), "--name", "empty"]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "SURE": "yes", "PATH": "/nowhere"})  # fmt: skip
    assert done.returncode == 0, done.stderr
