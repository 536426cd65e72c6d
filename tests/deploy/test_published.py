"""A platform on an address of its own, behind the TLS proxy of `deploy/proxy`, as members see."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from heart_reader.project import REPOSITORY
from tests.deploy.running import LOADED, PORTS, Platform, free_ports

ADDRESS = "127.0.0.2"  # loopback as well, but not where everybody looks
NAME = "localhost"
FRAME = (
    "pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {paths} {server} }}"
)
PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@pytest.fixture(scope="module")
def published(folder: Path) -> Iterator[Platform]:
    """It listens on `ADDRESS` alone; members are told of a URL."""
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        pytest.skip("no nginx on this machine: apt-get install nginx-light openssl")
    port = free_ports(len(PORTS) + 1)[-1]  # the others are the platform's
    own = Platform(folder / "published")
    own.prepare(
        PUBLISH=ADDRESS,
        URL=f"https://{NAME}:{port}",
        CERTIFICATE=str(folder / "proxy" / "certificate.pem"),
    )
    started = own.start()
    yield own
    started.process.terminate()
    started.process.wait(LOADED)


@pytest.fixture(scope="module")
def proxy(published: Platform, folder: Path) -> Iterator[str]:
    """The repository's own recipe, with this machine's ports and files."""
    made = folder / "proxy"
    made.mkdir()
    certify(made)
    url = published.variables["URL"]
    server = (REPOSITORY / "deploy" / "proxy" / "nginx.conf").read_text()
    for ours, theirs in (
        ("listen 443", f"listen 127.0.0.1:{url.rpartition(':')[2]}"),
        ("ecg.example.org", NAME),
        ("/etc/ssl/platform", str(made)),
        ("http://127.0.0.1:5000", published.uri),
    ):
        assert ours in server
        server = server.replace(ours, theirs)
    paths = "".join(f"{name}_temp_path {made}/{name};" for name in PATHS)
    (made / "nginx.conf").write_text(FRAME.format(folder=made, paths=paths, server=server))
    command = ["nginx", "-p", str(made), "-c", str(made / "nginx.conf"), "-g", "daemon off;"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + LOADED
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{url}/health", verify=str(made / "certificate.pem"), timeout=60)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(LOADED)


def certify(folder: Path) -> None:
    """A certificate that nobody has signed, as the README makes one."""
    words = f"req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={NAME}"
    command = ["openssl", *words.split(), "-addext", f"subjectAltName=DNS:{NAME}"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def login(published: Platform, proxy: str) -> dict[str, str]:
    """What `make user` wrote for a member."""
    command = [sys.executable, "-m", "deploy.users", "--state", str(published.state)]
    done = subprocess.run(
        [*command, "--name", "ida", "--role", "member"],
        env=published.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    lines = (published.state / "users" / "ida").read_text().splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def test_it_is_ready_where_it_was_published_and_nowhere_else(published: Platform):
    assert published.uri.startswith(f"http://{ADDRESS}:")
    assert requests.get(f"{published.uri}/health", timeout=60).text == "OK"
    with pytest.raises(requests.ConnectionError):
        requests.get(published.uri.replace(ADDRESS, "127.0.0.1"), timeout=60)
    log = (published.state / "logs" / "sync.log").read_text()
    assert f"{published.uri} tells http://127.0.0.1:" in log


def test_members_get_the_url_and_log_in_through_it(login: dict[str, str], proxy: str):
    assert login["MLFLOW_TRACKING_URI"] == proxy
    code = """
import mlflow, pathlib
pathlib.Path("file.bin").write_bytes(bytes(3_000_000))  # more than nginx's own limit
with mlflow.start_run() as run:
    mlflow.log_metric("x", 1.5)
    mlflow.log_artifact("file.bin")
path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="file.bin")
print(len(pathlib.Path(path).read_bytes()), mlflow.get_run(run.info.run_id).data.metrics)
"""
    platform = Platform(Path(login["MLFLOW_TRACKING_SERVER_CERT_PATH"]).parents[1] / "published")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=platform.environment(**login),
        cwd=platform.state,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3000000 {'x': 1.5}"


def test_a_browsers_request_is_taken_from_the_url_and_from_no_other_page(
    published: Platform, proxy: str, login: dict[str, str]
):
    who = (login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    certificate = login["MLFLOW_TRACKING_SERVER_CERT_PATH"]
    answers = [
        requests.post(
            f"{proxy}/ajax-api/2.0/mlflow/runs/search",
            json={"experiment_ids": ["0"]},
            headers={"Origin": origin},
            auth=who,
            verify=certificate,
            timeout=60,
        ).status_code
        for origin in (proxy, "https://evil.example")
    ]
    assert answers == [200, 403]


def test_make_user_warns_while_the_url_leads_nowhere(published: Platform):
    command = [sys.executable, "-m", "deploy.users", "--state", str(published.state)]
    done = subprocess.run(
        [*command, "--name", "ida", "--role", "member"],
        env=published.environment(URL="https://localhost:1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "warning: members can't log in yet: URL=https://localhost:1" in done.stderr
