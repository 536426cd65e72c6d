"""The manifests for Kubernetes: against its own schemas, and against docker-compose.yml."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.compose import read_variables
from deploy.kubernetes import NAME, manifests
from deploy.stores.external import External
from heart_reader.errors import ConfigError
from tests.conftest import REPOSITORY
from tests.deploy.test_compose import config, secrets_of, state  # noqa: F401 - a fixture

VERSIONS = ("1.28", "1.34")  # of Kubernetes
OWN = {"EXTERNAL_POSTGRES": "db.example.org:6432", "EXTERNAL_S3": "https://s3.example.org"}
CASES = [{}, {"URL": "https://ecg.example.org"}, OWN, {"MLFLOW_PORT": "5100"}]


@pytest.fixture
def made(state, monkeypatch, request):  # noqa: F811
    """The manifests with some variables."""
    for key, value in getattr(request, "param", {}).items():
        monkeypatch.setenv(key, value)
    return manifests(read_variables(state), "registry.example.org/team/", "1")


def pods(made: list[dict]) -> dict[str, dict]:
    """The pod of each name."""
    found = {}
    for each in made:
        spec = each["spec"]
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found[each["metadata"]["name"]] = spec["template"]["spec"]
    return found


def containers(made: list[dict]) -> dict[str, dict]:
    """Each container, also those that come before others."""
    each = [pod.get("initContainers", []) + pod["containers"] for pod in pods(made).values()]
    return {container["name"]: container for listed in each for container in listed}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("made", CASES, indirect=True)
def test_kubernetes_own_schemas_take_them(made, version):
    validate = pytest.importorskip("kubernetes_validate")
    for each in made:
        validate.validate(each, version, strict=True)
    broken = {**made[-1], "spec": {**made[-1]["spec"], "nonsense": 1}}
    with pytest.raises(validate.ValidationError):
        validate.validate(broken, version, strict=True)


def test_they_run_what_compose_runs(made, state):  # noqa: F811
    theirs = config(state)["services"]
    ours = containers(made)
    assert ours.keys() == theirs.keys()
    for name, container in ours.items():
        words = container.get("command") or container["args"]
        assert words == theirs[name]["command"], name
        keys = [each["name"] for each in container["env"]]
        assert sorted(keys) == sorted(theirs[name]["environment"]), name
        check = theirs[name].get("healthcheck", {}).get("test", [])
        asked = container.get("readinessProbe", {}).get("exec", {}).get("command", [])
        assert asked == check[1:], name
        same = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        wrong = {k for k, v in same.items() if theirs[name]["environment"][k] != v}
        # A volume's own folder may hold lost+found.
        assert wrong <= {"PGDATA"}, (name, wrong)


@pytest.mark.parametrize("made", CASES, indirect=True)
def test_no_secret_is_in_them_and_each_is_in_the_env_file(made, state):  # noqa: F811
    text, secrets = yaml.safe_dump_all(made), secrets_of(state)
    assert not [name for name, value in secrets.items() if value in text]
    taken = {
        each["valueFrom"]["secretKeyRef"]["key"]
        for container in containers(made).values()
        for each in container["env"]
        if "valueFrom" in each
    }
    assert taken and taken <= set(secrets)


@pytest.mark.parametrize("made", CASES, indirect=True)
def test_what_is_named_is_there(made):
    claims = {m["metadata"]["name"] for m in made if m["kind"] == "PersistentVolumeClaim"}
    own = {
        m["metadata"]["name"]: {c["metadata"]["name"] for c in m["spec"]["volumeClaimTemplates"]}
        for m in made
        if m["kind"] == "StatefulSet"
    }
    for name, pod in pods(made).items():
        volumes = {volume["name"] for volume in pod["volumes"]} | own.get(name, set())
        for volume in pod["volumes"]:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or claim in claims
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, name
    for service in (m for m in made if m["kind"] == "Service"):
        (port,) = service["spec"]["ports"]
        (container,) = pods(made)[service["metadata"]["name"]]["containers"]
        assert port["targetPort"] in {each["name"] for each in container["ports"]}


def test_nobody_is_root_and_images_have_a_registry(made):
    for pod in pods(made).values():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    images = {container["image"] for container in containers(made).values()}
    team = {f"registry.example.org/team/{NAME}-{kind}:1" for kind in ("server", "worker")}
    assert images == team | {"postgres:15-bookworm"}


@pytest.mark.parametrize("made", [OWN], indirect=True)
def test_a_database_and_a_store_of_ones_own_take_the_place_of_ours(made):
    assert not {"postgres", "objects"} & pods(made).keys()
    for name in ("migrate", "mlflow", "backup"):
        env = {e["name"]: e.get("value") for e in containers(made)[name]["env"]}
        assert (env["PGHOST"], env["PGPORT"]) == ("db.example.org", "6432")
        assert env["MLFLOW_S3_ENDPOINT_URL"] == "https://s3.example.org:443"


@pytest.mark.parametrize("made", [{"URL": "https://ecg.example.org"}], indirect=True)
def test_members_come_in_by_the_url(made):
    (ingress,) = [each for each in made if each["kind"] == "Ingress"]
    assert ingress["spec"]["rules"][0]["host"] == "ecg.example.org"
    assert ingress["spec"]["tls"] == [
        {"hosts": ["ecg.example.org"], "secretName": "heart-reader-tls"}
    ]


@pytest.mark.parametrize("name", ["EXTERNAL_POSTGRES", "EXTERNAL_S3"])
def test_an_address_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name} must be .*, but is 'nonsense:x'"):
        External.of({name: "nonsense:x"})


def test_the_command_prints_them(state: Path):  # noqa: F811
    command = [sys.executable, "-m", "deploy.kubernetes", "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) == 13
