"""docker-compose.yml as Compose itself reads it, and as `make platform` reads it."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.compose import (
    FILE,
    host_variables,
    interpolate,
    members_address,
    read_services,
    read_variables,
    server_address,
)
from deploy.make_secrets import PASSWORDS, write_secrets
from heart_reader.errors import ConfigError
from tests.conftest import REPOSITORY

COMPOSE = shutil.which("docker-compose")
# Told apart from secrets: what a machine's own environment may hold.
PLAIN = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "PYTHONPATH": ""}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [*os.environ]:
        if name not in PLAIN:
            monkeypatch.delenv(name)
    write_secrets(tmp_path / "state")
    return tmp_path / "state"


def config(state: Path, **variables: str) -> dict:
    """What Compose makes of the file."""
    if COMPOSE is None:
        pytest.skip("no docker-compose on this machine: apt-get install docker-compose")
    command = [COMPOSE, "--env-file", str(state / "env"), "--project-directory", str(REPOSITORY)]
    command += ["-f", str(FILE), "--profile", "tools", "config"]
    done = subprocess.run(command, env=PLAIN | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def secrets_of(state: Path) -> dict[str, str]:
    lines = (state / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# ---------------------------------------------------------------- one file, two ways


def test_compose_and_make_platform_read_the_same_commands_and_variables(state):
    """Given the variables of this machine, Compose says just what `make platform` runs."""
    ours = host_variables(read_variables(state))
    services = read_services(ours)
    # Compose's own `config` doubles each dollar, so that its output can be read again.
    theirs = config(state, **{k: v for k, v in ours.items() if k not in PLAIN})["services"]
    assert set(services) == set(theirs) >= {"postgres", "objects", "migrate", "mlflow", "sync"}
    for name, service in services.items():
        assert list(service.command) == theirs[name]["command"], name
        assert dict(service.environment) == theirs[name].get("environment", {}), name
        conditions = {k: v["condition"] for k, v in theirs[name].get("depends_on", {}).items()}
        words = {"healthy": "service_healthy", "done": "service_completed_successfully"}
        assert {k: words[v] for k, v in service.after.items()} == conditions, name
        check = theirs[name].get("healthcheck", {}).get("test")
        assert (["CMD", *service.health.command] if service.health else None) == check, name


def test_what_differs_without_containers_is_where_things_are(state):
    """The same programs with the same options: only hosts, folders and nothing else."""
    contained = config(state)["services"]
    for name, service in read_services(read_variables(state)).items():
        pairs = list(zip(contained[name]["command"], service.command, strict=True))
        differing = [(a, b) for a, b in pairs if a != b]
        places = ("127.0.0.1", str(state))
        assert all(any(place in ours for place in places) for _, ours in differing), differing


@pytest.mark.parametrize("name", [*PASSWORDS, "WEBHOOK_ENCRYPTION_KEY"])
def test_no_secret_has_a_default(state, name):
    text = (state / "env").read_text().splitlines()
    (state / "env").write_text("\n".join(line for line in text if not line.startswith(name)))
    with pytest.raises(ConfigError, match=f"{name} is not set: make secrets"):
        read_services(read_variables(state))


def test_compose_refuses_to_start_without_secrets(tmp_path):
    (tmp_path / "env").write_text("")
    with pytest.raises(AssertionError, match="make secrets"):
        config(tmp_path)


# ---------------------------------------------------------------- what is open, and what is kept


def test_the_server_and_the_studies_are_published_and_on_loopback(state):
    ports = {name: each.get("ports", []) for name, each in config(state)["services"].items()}
    assert ports.pop("mlflow") == ["127.0.0.1:5000:5000/tcp"]
    assert ports.pop("postgres") == ["127.0.0.1:5432:5432/tcp"]
    assert not any(ports.values())
    other = config(state, PUBLISH="192.0.2.7", MLFLOW_PORT="5100")["services"]["mlflow"]
    assert other["ports"] == ["192.0.2.7:5100:5100/tcp"]
    studies = config(state, PUBLISH="192.0.2.7", POSTGRES_PORT="5433")["services"]["postgres"]
    assert studies["ports"] == ["127.0.0.1:5433:5433/tcp"]


def test_a_published_server_is_asked_where_it_listens(state, monkeypatch):
    """Health checks, sync and `make user` go to the address; members to the URL."""
    monkeypatch.setenv("PUBLISH", "192.0.2.7")
    monkeypatch.setenv("URL", "https://ecg.example.org")
    variables = read_variables(state)
    services = read_services(variables)
    words = services["mlflow"].command
    assert words[words.index("--host") + 1] == "192.0.2.7"
    assert services["mlflow"].health.command[-1] == "http://192.0.2.7:5000/health"
    assert services["sync"].environment["MLFLOW_TRACKING_URI"] == "http://192.0.2.7:5000"
    assert "192.0.2.7:5000" in words[words.index("--allowed-hosts") + 1].split(",")
    origins = words[words.index("--cors-allowed-origins") + 1].split(",")
    assert origins == ["https://ecg.example.org", "http://192.0.2.7:5000"]
    assert server_address(variables) == "http://192.0.2.7:5000"
    assert members_address(variables) == "https://ecg.example.org"
    monkeypatch.setenv("PUBLISH", "0.0.0.0")
    assert server_address(read_variables(state)) == "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("PTBXL", "data/ptbxl", "must be an absolute folder"),
        ("BACKUPS", "./backups", "must be an absolute folder"),
        ("PUBLISH", "::", "must be an IPv4 address or a name"),
        ("URL", "ecg.example.org", "must be like https://ecg.example.org"),
        ("URL", "https://ecg.example.org/mlflow", "must be like https://ecg.example.org"),
    ],
)
def test_a_value_that_cannot_work_is_refused(state, monkeypatch, name, value, rule):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name} {rule}, but is '{value}'"):
        read_variables(state)


def test_no_secret_stands_on_a_command_line(state):
    values = secrets_of(state).values()
    for name, each in config(state)["services"].items():
        line = json.dumps([each["command"], each.get("healthcheck", {})])
        assert not [value for value in values if value in line], name


def test_services_come_back_and_have_health_checks_and_volumes(state):
    tree = config(state)
    for name in ("postgres", "objects", "mlflow", "sync"):
        service = tree["services"][name]
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        # A stop isn't a kill: the object store needs 16 s, Docker's own patience is 10.
        assert service["stop_grace_period"] in ("30s", "60s", "1m", "1m0s"), name
        assert service["logging"]["options"] == {"max-file": "5", "max-size": "10m"}, name
    kept = {v.split(":")[0] for s in tree["services"].values() for v in s.get("volumes", [])}
    assert set(tree["volumes"]) <= kept


def test_removing_the_volumes_leaves_the_backups(state):
    tree = config(state)
    mounts = tree["services"]["backup"]["volumes"]
    assert mounts == tree["services"]["restore"]["volumes"]
    assert mounts == [f"{REPOSITORY}/.platform/backups:/backups:rw"]
    other = config(state, BACKUPS="/srv/backups")["services"]["backup"]["volumes"]
    assert other == ["/srv/backups:/backups:rw"]


def test_records_are_mounted_where_they_lie_or_are_an_empty_volume(state):
    mounts = [
        config(state, **given)["services"]["sync"]["volumes"][1]
        for given in ({}, {"PTBXL": "/data/ptbxl"})
    ]
    assert mounts == ["ptbxl:/ptbxl:ro", "/data/ptbxl:/data/ptbxl:ro"]


# ---------------------------------------------------------------- images


def test_each_image_is_built_by_one_service_before_the_others(state):
    """Compose v2 builds side by side: the second that names a tag fails."""
    services = config(state)["services"]
    builders = {
        name: each["build"]["target"] for name, each in services.items() if "build" in each
    }
    assert builders == {"objects": "server", "sync": "worker"}
    users = {n for n, each in services.items() if each["image"] == services["objects"]["image"]}
    before = {name: {*each.get("depends_on", ())} for name, each in services.items()}
    for name in users - {"objects"}:
        # Compose v1 looks for images in the order of the services.
        reached = before[name] | {there for each in before[name] for there in before[each]}
        assert "objects" in reached, name


def test_registries_and_indices_are_arguments(state):
    given = {
        "PYTHON_IMAGE": "registry.example.org/python:3.11",
        "POSTGRES_IMAGE": "registry.example.org/postgres:15",
        "APT_MIRROR": "http://apt.example.org",
        "PIP_INDEX_URL": "https://pip.example.org/simple",
        "PIP_EXTRA_INDEX_URL": "https://torch.example.org",
        "PIP_TRUSTED_HOST": "pip.example.org",
    }
    services = config(state, COMMIT="abc", **given)["services"]
    assert services["objects"]["build"]["args"] == given
    assert services["sync"]["build"]["args"] == {**given, "COMMIT": "abc"}
    assert services["postgres"]["image"] == given["POSTGRES_IMAGE"]
    text = (REPOSITORY / "deploy" / "Dockerfile").read_text()
    assert {*re.findall(r"^ARG (\w+)=", text, re.MULTILINE)} == {*given, "COMMIT"}


def test_the_images_have_the_lock_files_versions_and_no_other():
    text = (REPOSITORY / "deploy" / "Dockerfile").read_text()
    server, worker = re.findall(r"pip install (.*?)(?: \\)?$", text, re.MULTILINE)
    own = "--no-cache-dir --no-compile"
    assert server == f"{own} -c /tmp/requirements.lock -r /tmp/requirements.txt"
    assert worker == f"{own} -r /tmp/requirements.lock"
    assert text.count("\nUSER heart\n") == 2
    lines = (REPOSITORY / "deploy/server/requirements.txt").read_text().splitlines()
    names = {line for line in lines if not line.startswith("#")}
    locked = {line.split("==")[0] for line in (REPOSITORY / "requirements.lock").open()}
    assert names <= locked and not {"torch", "tensorflow"} & names


def test_what_is_large_or_secret_goes_into_no_image():
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    # All that begins with a dot: .git, .venv, .platform; and records of patients.
    assert {".*", "ptbxl*", "tests", "mlruns", "*.key"} <= set(ignored)


# ---------------------------------------------------------------- secrets


def test_secrets_are_random_private_and_never_written_over(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    assert all(write_secrets(folder) for folder in folders)
    first, second = (secrets_of(folder) for folder in folders)
    assert first.keys() == second.keys()
    values = [*first.values(), *second.values()]
    assert len(set(values)) == len(values) and min(map(len, values)) >= 40
    assert stat.S_IMODE((tmp_path / "a" / "env").stat().st_mode) == 0o600
    assert not write_secrets(tmp_path / "a")
    assert secrets_of(tmp_path / "a") == first


def test_git_ignores_the_platforms_folder():
    command = ["git", "-C", str(REPOSITORY), "check-ignore", ".platform/env"]
    assert subprocess.run(command, capture_output=True).returncode == 0


# ---------------------------------------------------------------- interpolation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"),
        ("${A:-2}", "1"),
        ("${B:-2}", "2"),
        ("${EMPTY:-2}", "2"),
        ("${B}", ""),
        ("x${A}y$$z", "x1y$z"),
        ("${A:?message}", "1"),
    ],
)
def test_variables_are_replaced(text, expected):
    assert interpolate(text, {"A": "1", "EMPTY": ""}) == expected


def test_a_variable_of_the_environment_wins_over_the_file(state, monkeypatch):
    monkeypatch.setenv("S3_ACCESS_KEY", "given")
    assert read_variables(state)["S3_ACCESS_KEY"] == "given"
