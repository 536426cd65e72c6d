"""A real platform: who gets in, where it listens, what it keeps when its servers are killed.

Covers: deploy.stores.migrate, deploy.stores.objects, deploy.running.process, deploy.state,
    deploy.users,
    deploy.server.platform_hooks, heart_reader.tracking.permissions.
"""

import subprocess
import sys
import time
from typing import Any

import boto3
import psutil
import psycopg2
import pytest
import requests
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import ClientError

from deploy.make_secrets import PASSWORDS
from deploy.stores.databases import OWNERS
from tests.deploy.conftest import BACKBONES
from tests.deploy.running import Platform, User, family
from tests.tracking.processes import SMALL

SEARCH = "api/2.0/mlflow/runs/search"
REFUSED = r"AccessDenied|SignatureDoesNotMatch"
ARTIFACT = "api/2.0/mlflow-artifacts/artifacts"


def create_run(user: User, experiment: str = "1") -> requests.Response:
    return user.ask("POST", "api/2.0/mlflow/runs/create", {"experiment_id": experiment})


# ---------------------------------------------------------------- who gets in


@pytest.mark.parametrize(
    "path",
    [
        "",
        "api/2.0/mlflow/experiments/get?experiment_id=0",
        "ajax-api/2.0/mlflow/experiments/get?experiment_id=0",
        f"{ARTIFACT}/0/x",
        "get-artifact?path=x&run_uuid=x",
        "graphql",
        "metrics",
        "signup",
    ],
)
def test_nobody_gets_in_without_a_login(platform: Platform, path: str):
    assert User(platform, "", "").ask("GET", path).status_code == 401
    assert User(platform, "admin", "password1234").ask("GET", path).status_code == 401


def test_who_has_no_role_sees_and_does_nothing(platform: Platform, ada: User):
    run = create_run(ada, "0").json()["run"]["info"]["run_id"]
    path = f"{ARTIFACT}/0/{run}/artifacts/secret.txt"
    assert ada.ask("PUT", path, "text").status_code == 200
    eve = platform.user("eve", "none")
    metric = {"run_id": run, "key": "k", "value": 1.0, "timestamp": 0}
    for method, route, body in (
        ("GET", f"api/2.0/mlflow/runs/get?run_id={run}", None),
        ("POST", "api/2.0/mlflow/runs/log-metric", metric),
        ("POST", "api/2.0/mlflow/runs/create", {"experiment_id": "0"}),
        ("GET", path, None),
        ("PUT", path, "other"),
        ("POST", "api/2.0/mlflow/users/create", {"username": "x", "password": "long enough x"}),
    ):
        assert eve.ask(method, route, body).status_code == 403, (method, route)
    found = eve.ask("POST", SEARCH, {"experiment_ids": ["0"]})
    assert found.status_code == 403 or not found.json().get("runs")
    assert ada.ask("GET", path).text == '"text"'


def test_a_reader_reads_and_a_role_can_be_taken_away(platform: Platform, ada: User):
    run = create_run(ada, "0").json()["run"]["info"]["run_id"]
    bob = platform.user("bob", "reader")
    route = f"api/2.0/mlflow/runs/get?run_id={run}"
    assert bob.ask("GET", route).status_code == 200
    tag = {"run_id": run, "key": "k", "value": "v"}
    assert bob.ask("POST", "api/2.0/mlflow/runs/set-tag", tag).status_code == 403
    assert create_run(bob, "0").status_code == 403
    platform.user("bob", "none")
    assert bob.ask("GET", route).status_code == 403


def test_a_wrong_host_header_is_403(platform: Platform):
    route = "api/2.0/mlflow/experiments/get?experiment_id=0"
    assert platform.admin.ask("GET", route, Host="evil.example").status_code == 403
    port = platform.variables["MLFLOW_PORT"]
    for host in (f"localhost:{port}", f"mlflow:{port}"):
        assert platform.admin.ask("GET", route, Host=host).status_code == 200


def test_the_object_store_refuses_who_has_no_key(platform: Platform):
    own = platform.s3()
    own.put_object(Bucket="mlflow", Key="kept.txt", Body=b"kept")
    address = own.meta.endpoint_url
    nobody = boto3.client("s3", endpoint_url=address, config=Config(signature_version=UNSIGNED))
    wrong = platform.s3(secret="0" * 40)
    for client in (nobody, wrong):
        for ask in (client.list_buckets, lambda c=client: c.list_objects_v2(Bucket="mlflow")):
            with pytest.raises(ClientError, match=REFUSED):
                ask()
        with pytest.raises(ClientError, match=REFUSED):
            client.put_object(Bucket="mlflow", Key="kept.txt", Body=b"lost")
    # Behind S3 stands the filer, which knows the same files.
    filer = f"http://127.0.0.1:{platform.variables['S3_FILER_PORT']}/buckets/mlflow/kept.txt"
    assert requests.get(filer).status_code == requests.delete(filer).status_code == 401
    assert own.get_object(Bucket="mlflow", Key="kept.txt")["Body"].read() == b"kept"
    own.delete_object(Bucket="mlflow", Key="kept.txt")


def test_the_databases_refuse_whose_they_are_not(platform: Platform):
    own = platform.tools_environment()
    where = {"host": own["PGHOST"], "port": own["PGPORT"]}
    passwords = {"mlflow": own["PGPASSWORD"], "studies": own["STUDIES_PASSWORD"]}
    for user, password in passwords.items():
        for database, owner in OWNERS.items():
            words = {"dbname": database, "user": user, **where}
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(password="wrong", **words)
            if owner == user:
                psycopg2.connect(password=password, **words).close()
            else:
                with pytest.raises(psycopg2.OperationalError, match="permission denied"):
                    psycopg2.connect(password=password, **words)


# ---------------------------------------------------------------- where it listens, what it shows


def processes(platform: Platform) -> list[psutil.Process]:
    return [each for name in ("postgres", "objects", "mlflow", "sync") for each in
            family(platform.pid(name))]  # fmt: skip


def connections(process: psutil.Process) -> list[Any]:
    """Of a process that may have ended, as those of PostgreSQL do with each session: none."""
    try:
        return list(process.net_connections())
    except psutil.NoSuchProcess:
        return []


def test_it_listens_on_loopback_alone(platform: Platform):
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes(platform)
        for connection in connections(process)
        if connection.status == psutil.CONN_LISTEN
    }
    ports = {int(platform.variables[f"{name}_PORT"]) for name in ("MLFLOW", "S3", "POSTGRES")}
    assert ports <= {port for _, port in listening}
    assert {ip for ip, _ in listening} == {"127.0.0.1"}


def test_no_secret_is_on_a_command_line_or_in_a_log(platform: Platform, ada: User):
    words = " ".join(word for each in processes(platform) for word in each.cmdline())
    logs = "".join(
        path.read_text(errors="replace") for path in (platform.state / "logs").iterdir()
    )
    for name in {*PASSWORDS, "WEBHOOK_ENCRYPTION_KEY"} - {"S3_ACCESS_KEY"}:  # a name, no secret
        value = platform.variables[name]
        assert value not in words and value not in logs, name


def test_prometheus_counts_requests_for_admins(platform: Platform, ada: User):
    assert ada.ask("GET", "metrics").status_code == 403
    assert "mlflow_http_request_total" in platform.admin.ask("GET", "metrics").text


# ---------------------------------------------------------------- what is logged there


def test_a_training_says_where_its_run_is(platform: Platform, trained: list[str]):
    logs = "".join((platform.state / "work" / name / "log").read_text() for name in BACKBONES)
    for run_id in trained:
        assert f"{platform.uri}/#/experiments/1/runs/{run_id}\n" in logs
    assert "make ui" not in logs


def test_concurrent_trainings_lose_nothing(ada: User, trained: list[str]):
    assert len(trained) == len(BACKBONES)
    epochs = list(range(int(SMALL["training.epochs"])))
    for run_id in trained:
        run = ada.ask("GET", f"api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]
        assert run["info"]["status"] == "FINISHED"
        keys = {metric["key"] for metric in run["data"]["metrics"]}
        for key in ("train/loss", "val/macro_auc"):
            assert key in keys
            route = f"api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key={key}"
            steps = [int(m["step"]) for m in ada.ask("GET", route).json()["metrics"]]
            assert sorted(set(steps)) >= epochs and len(steps) == len(set(steps)), (key, steps)


def test_the_webhook_reaches_sync(platform: Platform, ada: User, trained: list[str]):
    body = {"name": "heart-reader-se_resnet1d", "alias": "shown", "version": "1"}
    assert ada.ask("POST", "api/2.0/mlflow/registered-models/alias", body).status_code == 200
    log = platform.state / "logs" / "sync.log"
    platform.wait(lambda: "woken at" in log.read_text())


def test_studies_have_a_database_of_their_own(platform: Platform):
    import optuna

    own = platform.tools_environment()
    with pytest.MonkeyPatch.context() as patch:
        for key in ("PGHOST", "PGPORT"):
            patch.setenv(key, own[key])
        patch.setenv("PGUSER", "studies")
        patch.setenv("PGPASSWORD", own["STUDIES_PASSWORD"])
        storage = optuna.storages.RDBStorage("postgresql+psycopg2:///studies")
        study = optuna.create_study(study_name="s", storage=storage)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 2)
        assert len(optuna.load_study(study_name="s", storage=storage).trials) == 2
        storage.engine.dispose()


def test_what_keeps_searches_quick_is_there(platform: Platform):
    own = platform.tools_environment()
    opened = psycopg2.connect(
        dbname="mlflow", host=own["PGHOST"], port=own["PGPORT"], user="mlflow",
        password=own["PGPASSWORD"],
    )  # fmt: skip
    with opened, opened.cursor() as at:
        at.execute("SET enable_seqscan = off")
        newest = "ORDER BY start_time DESC LIMIT 100"
        at.execute("EXPLAIN SELECT * FROM runs WHERE experiment_id = 1 "
                   f"AND lifecycle_stage = 'active' {newest}")  # fmt: skip
        assert "platform_runs_of_experiment" in str(at.fetchall())
        at.execute("SELECT reloptions FROM pg_class WHERE relname = 'latest_metrics'")
        assert "autovacuum_analyze_threshold=2000" in at.fetchone()[0]
    opened.close()


# ---------------------------------------------------------------- what a crash does


def test_killed_servers_come_back_with_what_they_had(
    platform: Platform, ada: User, trained: list[str]
):
    before = {name: platform.pid(name) for name in ("postgres", "objects", "mlflow", "sync")}
    route = f"api/2.0/mlflow/runs/get?run_id={trained[0]}"
    run = ada.ask("GET", route).json()
    for name in before:
        platform.kill(name)
    news = (platform.state / "platform.log").read_text
    platform.wait(lambda: all(platform.pid(name) != before[name] for name in before))
    platform.wait(lambda: all(news().count(f"{name}: ready") >= 2 for name in before))
    deadline = time.monotonic() + 120
    while ada.ask("GET", route).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert ada.ask("GET", route).json() == run
    prefix = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert ada.ask("GET", f"{ARTIFACT}/{prefix}/config.yaml").status_code == 200


def test_a_second_platform_in_the_same_folder_is_refused(platform: Platform):
    command = [sys.executable, "-m", "deploy.up", "--state", str(platform.state)]
    environment = platform.environment()
    second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert second.returncode == 1
    assert second.stderr == f"error: the platform in {platform.state} is running already\n"
