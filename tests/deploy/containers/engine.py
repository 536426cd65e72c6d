"""Docker's engine for tests, and what stands in for registries that can't be reached."""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

STANDINS = Path(__file__).parent / "standins"
IMAGES = {"python": "python:3.11-slim-bookworm", "postgres": "postgres:15-bookworm"}
DEBIAN = "heart-reader-standin-debian"
MIRROR = "http://deb.debian.org/debian"
SECONDS_TO_START = 30.0
SECONDS_TO_PULL = 30.0
INDEX_PORT = 8099  # always the same where it is free, so that layers of before are found again


class NoEngineError(Exception):
    """Why there are no containers here."""


def docker(*words: str, timeout: float | None = None) -> "subprocess.CompletedProcess[str]":
    """One command."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout)


@contextmanager
def engine() -> Iterator[None]:
    """An engine that answers: the machine's, else one that is started for as long as it takes.

    Raises:
        NoEngineError: there is none to be had.
    """
    if shutil.which("docker") is None or shutil.which("docker-compose") is None:
        raise NoEngineError("no Docker here: apt-get install docker.io docker-compose")
    if docker("info").returncode == 0:
        yield
        return
    if shutil.which("dockerd") is None:
        raise NoEngineError("no Docker engine answers, and there is no dockerd to start")
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(["dockerd"], stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process)
            yield
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while docker("info").returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoEngineError("dockerd can't be started here, or not within seconds")
        time.sleep(0.5)


# ---------------------------------------------------------------- base images


def base_images() -> None:
    """The two images that ours are made from: there, pulled, or made of Debian's packages.

    Raises:
        NoEngineError: none of it works.
    """
    for name, tag in IMAGES.items():
        if not _has(tag) and not _pulled(tag):
            _make(name, tag)


def _has(tag: str) -> bool:
    return docker("image", "inspect", tag).returncode == 0


def _pulled(tag: str) -> bool:
    try:
        return docker("pull", "-q", tag, timeout=SECONDS_TO_PULL).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _make(name: str, tag: str) -> None:
    if not _has(DEBIAN):
        _import_debian()
    made = docker("build", "-q", "-t", tag, "-f", str(STANDINS / f"{name}.Dockerfile"),
                  str(STANDINS))  # fmt: skip
    if made.returncode:
        raise NoEngineError(f"no {tag}, and none can be made: {made.stderr[-300:]}")


def _import_debian() -> None:
    if shutil.which("debootstrap") is None:
        raise NoEngineError("no registry answers: apt-get install debootstrap")
    with tempfile.TemporaryDirectory(prefix="debian", ignore_cleanup_errors=True) as folder:
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm"]
        done = subprocess.run([*command, folder, MIRROR], capture_output=True, text=True)
        if done.returncode:
            raise NoEngineError(f"no registry and no Debian mirror answers: {done.stdout[-300:]}")
        words = f"tar -C {folder} --exclude=./var/cache/apt/* --exclude=./var/lib/apt/lists/* -c ."
        subprocess.run(f"{words} | docker import - {DEBIAN}", shell=True, check=True,
                       capture_output=True)  # fmt: skip


# ---------------------------------------------------------------- where packages come from


def pip_settings() -> dict[str, str]:
    """This machine's own settings of pip, names without section (``pip config list``)."""
    listed = subprocess.run(["pip", "config", "list"], capture_output=True, text=True).stdout
    pairs = (line.partition("=")[::2] for line in listed.splitlines())
    return {key.rpartition(".")[2]: value.strip("'\"") for key, value in pairs}


@contextmanager
def build_arguments() -> Iterator[dict[str, str]]:
    """What an image's build needs to find packages where this machine finds them."""
    own = pip_settings()
    found = {"PIP_INDEX_URL": own.get("index-url", "")}
    trusted = own.get("trusted-host", "").split()
    if "cert" in own and not found["PIP_INDEX_URL"]:  # an authority that containers don't know
        trusted += ["pypi.org", "files.pythonhosted.org"]
    folders = [Path(word) for word in own.get("find-links", "").split() if Path(word).is_dir()]
    with index_of(folders) as address:
        if address:
            found["PIP_EXTRA_INDEX_URL"] = address
            trusted.append(address.split("/")[2].partition(":")[0])
        yield {**found, "PIP_TRUSTED_HOST": " ".join(trusted)}


@contextmanager
def index_of(folders: list[Path]) -> Iterator[str]:
    """Folders of wheels as an index that containers reach; "" where there is no folder."""
    if not folders:
        yield ""
        return
    gateway = address_of_host()
    try:
        server = ThreadingHTTPServer((gateway, INDEX_PORT), partial(_Index, folders))
    except OSError:
        server = ThreadingHTTPServer((gateway, 0), partial(_Index, folders))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{gateway}:{server.server_address[1]}/simple"
    finally:
        server.shutdown()
        server.server_close()


def address_of_host() -> str:
    """This machine as containers see it; an older engine names only the network."""
    listed = docker("network", "inspect", "bridge", "-f", "{{json .IPAM.Config}}").stdout
    (own, *_) = json.loads(listed)
    return str(own.get("Gateway") or ip_network(own["Subnet"])[1])


def project_of(wheel: str) -> str:
    """The normalised name of a wheel's project (PEP 503)."""
    return re.sub(r"[-_.]+", "-", wheel.partition("-")[0]).lower()


class _Index(SimpleHTTPRequestHandler):
    """``/simple/NAME/`` lists wheels; a wheel below it is the file."""

    def __init__(self, folders: list[Path], *words: object) -> None:
        self.files = {path.name: path for folder in folders for path in folder.glob("*.whl")}
        super().__init__(*words)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name = unquote(self.path).rstrip("/").rpartition("/")[2]
        if name in self.files:
            body, kind = self.files[name].read_bytes(), "application/octet-stream"
        else:
            named = [file for file in self.files if project_of(file) == name]
            links = [f'<a href="{file}">{file}</a>' for file in named]
            body, kind = "<br>".join(links).encode(), "text/html"
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Nothing."""
