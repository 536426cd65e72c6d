"""docker-compose.yml as Compose itself reads it, and as `make platform` reads it."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.compose import FILE, host_variables, interpolate, read_services, read_variables
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


def test_only_the_server_is_published_and_on_loopback(state):
    ports = {name: each.get("ports", []) for name, each in config(state)["services"].items()}
    assert ports.pop("mlflow") == ["127.0.0.1:5000:5000/tcp"]
    assert not any(ports.values())
    other = config(state, PUBLISH="192.0.2.7", MLFLOW_PORT="5100")["services"]["mlflow"]
    assert other["ports"] == ["192.0.2.7:5100:5100/tcp"]


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
    kept = {v.split(":")[0] for s in tree["services"].values() for v in s.get("volumes", [])}
    assert set(tree["volumes"]) <= kept


def test_the_image_has_the_lock_files_versions_and_no_other():
    lines = (REPOSITORY / "deploy" / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if "pip install" in line]
    assert [line.split()[1] for line in lines if "-r " in line] == ["/tmp/requirements.lock"]
    assert "USER heart" in lines


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
