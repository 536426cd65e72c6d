"""Files of runs and models: through the server alone, and the same as in the store.

Covers: deploy.server.platform_hooks.
"""

import hashlib
from pathlib import Path

from tests.deploy.running import Platform, User

VERSION = "api/2.0/mlflow/model-versions/get"
MODEL = "heart-reader-se_resnet1d"
ARTIFACT = "api/2.0/mlflow-artifacts/artifacts"


def test_artifacts_go_through_the_server_into_the_bucket(
    platform: Platform, ada: User, trained: list[str]
):
    """The client had no S3 keys; what it gets from the server is what lies in the bucket."""
    run = ada.ask("GET", f"api/2.0/mlflow/runs/get?run_id={trained[0]}").json()["run"]
    uri = run["info"]["artifact_uri"]
    assert uri.startswith("mlflow-artifacts:/")
    prefix = uri.removeprefix("mlflow-artifacts:/")
    listed = platform.s3().list_objects_v2(Bucket="mlflow", Prefix=f"{prefix}/plots/")["Contents"]
    assert len(listed) >= 3
    for item in listed:
        inside = platform.s3().get_object(Bucket="mlflow", Key=item["Key"])["Body"].read()
        outside = ada.ask("GET", f"{ARTIFACT}/{item['Key']}").content
        assert hashlib.sha256(inside).digest() == hashlib.sha256(outside).digest()


def test_a_model_is_downloaded_by_who_cannot_reach_the_store(
    platform: Platform, ada: User, trained: list[str], tmp_path: Path
):
    """The client's process can't connect to S3; what it gets is what lies in the bucket."""
    listed = ada.ask("GET", f"{VERSION}?name={MODEL}&version=1").json()["model_version"]
    started = ada.start(
        tmp_path / "log", "-m", "mlflow", "artifacts", "download", "-u", f"models:/{MODEL}/1",
        "-d", str(tmp_path / "model"),
    )  # fmt: skip
    assert started.finish() == 0, started.output()
    source = listed["source"].removeprefix("models:/")
    model = ada.ask("GET", f"api/2.0/mlflow/logged-models/{source}").json()["model"]
    prefix = model["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    client, inside = platform.s3(), {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="mlflow", Prefix=prefix):
        for item in page["Contents"]:
            body = client.get_object(Bucket="mlflow", Key=item["Key"])["Body"].read()
            inside[item["Key"].removeprefix(f"{prefix}/")] = hashlib.sha256(body).digest()
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    outside = {
        path.relative_to(tmp_path / "model").as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in files
    }
    # MLflow writes what it was asked for beside a downloaded model.
    assert {k: v for k, v in outside.items() if k in inside} == inside and len(inside) > 20


def test_nobody_is_sent_to_the_store_itself(platform: Platform, ada: User, trained: list[str]):
    info = ada.ask("GET", "api/3.0/mlflow/server-info").json()
    assert info["multipart_downloads_enabled"] is info["multipart_uploads_enabled"] is False
    run = ada.ask("GET", f"api/2.0/mlflow/runs/get?run_id={trained[0]}").json()["run"]
    prefix = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for answer in (
        ada.ask("GET", f"api/2.0/mlflow-artifacts/presigned/{prefix}/config.yaml"),
        ada.ask(
            "POST",
            f"api/2.0/mlflow-artifacts/mpu/create/{prefix}/x",
            {"path": f"{prefix}/x", "num_parts": 1},
        ),
    ):
        assert answer.status_code == 501, answer.text
