"""A platform of the test session's own: real servers on free ports, in one folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
import requests

from deploy.compose import read_services, read_variables, server_address
from deploy.make_secrets import write_secrets
from deploy.users import Admin
from tests.tracking.processes import FOREIGN, REPOSITORY, SECONDS, Started

PORTS = ("POSTGRES", "MLFLOW", "SYNC", "S3", "S3_MASTER", "S3_VOLUME", "S3_FILER")
WALL = Path(__file__).parent / "walled"
LOADED = 5 * SECONDS  # for all servers together, on a busy machine


def free_ports(count: int) -> list[int]:
    """Ports that are free, and 10,000 above which another is: SeaweedFS takes both.

    They lie below those that the kernel gives to clients: nobody takes one before we listen.
    """
    found: set[int] = set()
    port = 12000 + os.getpid() % 9000
    while len(found) < count:
        port += 1
        if all(is_free(each) for each in (port, port + 10000)):
            found.add(port)
    return sorted(found)


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Platform:
    """A folder, and what runs in it."""

    state: Path

    # ------------------------------------------------------------ its life

    def prepare(self, **settings: str) -> None:
        """Secrets, free ports and other settings, in the env file."""
        write_secrets(self.state)
        ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
        with (self.state / "env").open("a") as file:
            file.write("".join(f"{name}_PORT={port}\n" for name, port in ports))
            file.write("MLFLOW_WORKERS=1\n")
            file.write("".join(f"{key}={value}\n" for key, value in settings.items()))

    def start(self) -> Started:
        """Starts `make platform`, and waits until it says that it is ready."""
        log = self.state / "platform.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.up", "--state", str(self.state)],
                env=self.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Started(process, log)
        self.wait(lambda: "is ready:" in started.output(), started)
        return started

    def wait(self, condition: Callable[[], bool], started: Started | None = None) -> None:
        """Waits for something that the platform does."""
        deadline = time.monotonic() + LOADED
        while not condition():
            ended = started is not None and started.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"it didn't happen:\n{self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        """The last lines of everybody."""
        files = [self.state / "platform.log", *sorted((self.state / "logs").glob("*"))]
        last = ("\n".join(f.read_text(errors="replace").splitlines()[-15:]) for f in files)
        return "\n".join(f"== {f.name}\n{text}" for f, text in zip(files, last, strict=True))

    def tool(self, name: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """``make backup`` and ``make restore``."""
        command = [sys.executable, "-m", "deploy.tool", "--state", str(self.state), "--name", name]
        environment = self.environment(**variables)
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    # ------------------------------------------------------------ its parts

    @property
    def variables(self) -> dict[str, str]:
        return read_variables(self.state)

    @property
    def uri(self) -> str:
        return server_address(self.variables)

    def pid(self, name: str) -> int:
        """The process of a service."""
        return int((self.state / "pids" / name).read_text())

    def kill(self, name: str) -> None:
        """As a crash."""
        os.kill(self.pid(name), signal.SIGKILL)

    def tools_environment(self) -> dict[str, str]:
        """What reaches its database and objects as their owner."""
        return dict(read_services(self.variables)["migrate"].environment)

    def s3(self, key: str = "", secret: str = "") -> "boto3.client":
        """Its object store, with its keys or others."""
        own = self.tools_environment()
        return boto3.client(
            "s3",
            endpoint_url=own["MLFLOW_S3_ENDPOINT_URL"],
            aws_access_key_id=key or own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret or own["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )

    # ------------------------------------------------------------ its users

    def environment(self, **extra: str) -> dict[str, str]:
        """Of a process that knows nothing of other stores."""
        private = ("MLFLOW", "AWS_", "PG", *FOREIGN)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(private)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {
            "PATH": path,
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "HEART_READER_CACHE": str(self.state / "cache"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        return kept | own | extra

    def user(self, name: str, role: str) -> "User":
        """Makes a user as `make user` does."""
        admin = Admin(self.uri, self.variables["ADMIN_PASSWORD"])
        password = admin.make_user(name)
        admin.set_role(name, role)
        return User(self, name, password)

    @property
    def admin(self) -> "User":
        return User(self, "admin", self.variables["ADMIN_PASSWORD"])


@dataclass(frozen=True)
class User:
    """Somebody who has logged in."""

    platform: Platform
    name: str
    password: str

    @property
    def login(self) -> dict[str, str]:
        """The variables that MLflow's client logs in with."""
        return {
            "MLFLOW_TRACKING_URI": self.platform.uri,
            "MLFLOW_TRACKING_USERNAME": self.name,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    @property
    def wall(self) -> dict[str, str]:
        """What keeps a Python process from the store's and the database's own ports."""
        inner = (name for name in PORTS if name != "MLFLOW")
        return {
            "PYTHONPATH": os.pathsep.join([str(WALL), str(REPOSITORY)]),
            "WALLED_PORTS": ",".join(self.platform.variables[f"{name}_PORT"] for name in inner),
        }

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> requests.Response:
        """One request."""
        return requests.request(
            method,
            f"{self.platform.uri}/{path}",
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json", **headers},
            auth=(self.name, self.password) if self.name else None,
            timeout=SECONDS,
        )

    def start(self, log: Path, *words: str, **variables: str) -> Started:
        """Starts ``python WORDS`` with this login, where only the server can be reached."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=log.parent,
                env=self.platform.environment(**self.login, **self.wall, **variables),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return Started(process, log)


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
