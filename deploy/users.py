"""Makes a user of the platform, and the file that logs them in.

python -m deploy.users --state .platform --name ada --role member
python -m deploy.users --state .platform --name ada --role none       # takes every role away

Single experiments and models are shared in MLflow's own UI.
"""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from deploy.compose import host_variables, read_variables
from deploy.roles import ROLES, WORKSPACE
from deploy.state import state_folder
from deploy.supervisor import PlatformError
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, did_you_mean

NONE = "none"
EXISTS = "RESOURCE_ALREADY_EXISTS"
SECONDS = 120.0  # that a busy server may take to answer


def main(words: Sequence[str]) -> None:
    """Makes the user, or gives one that is there another role."""
    options = dotted_options(words)
    name, role = options.pop("name", ""), options.pop("role", "member")
    state = state_folder(options)
    if not name:
        raise ConfigError("a user needs a name: make user NAME=ada ROLE=member")
    if role not in {*ROLES, NONE}:
        legal = sorted({*ROLES, NONE})
        raise ConfigError(
            f"unknown role {role!r}{did_you_mean(role, legal)}: there are {', '.join(legal)}"
        )
    variables = host_variables(read_variables(state))
    port = variables.get("MLFLOW_PORT", "5000")
    admin = Admin(f"http://127.0.0.1:{port}", variables["ADMIN_PASSWORD"])
    password = admin.make_user(name)
    admin.set_role(name, role)
    if password:
        print(f"{name}, {role}. To log in: . {write_login(state, admin.uri, name, password)}")
    else:
        print(f"{name}, {role} now, with the password of before")


class Admin:
    """The server's users as its admin sees them.

    MLflow's own client would import the whole server, for seconds.
    """

    def __init__(self, uri: str, password: str) -> None:
        self.uri = uri
        self._login = ("admin", password)

    def make_user(self, name: str) -> str:
        """The password of a new user, or "" for one that is there."""
        password = secrets.token_urlsafe(18)
        made = self._post("2.0/mlflow/users/create", username=name, password=password)
        return "" if made is None else password

    def set_role(self, name: str, role: str) -> None:
        """One role of ours, in place of those that the user had."""
        found = self._get("3.0/mlflow/roles/list", workspace=WORKSPACE)["roles"]
        ids = {each["name"]: each["id"] for each in found}
        for had in self._get("3.0/mlflow/users/roles/list", username=name)["roles"]:
            if had["name"] in ROLES:
                body = {"username": name, "role_id": had["id"]}
                self._ask("DELETE", "3.0/mlflow/roles/unassign", json=body)
        if role != NONE:
            self._post("3.0/mlflow/roles/assign", username=name, role_id=ids[role])

    def _get(self, path: str, **params: str) -> Any:
        return self._ask("GET", path, params=params)

    def _post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **words: Any) -> Any:
        """The answer, or ``None`` where what is to be made exists."""
        try:
            answer = requests.request(
                method, f"{self.uri}/api/{path}", auth=self._login, timeout=SECONDS, **words
            )
        except requests.RequestException as error:
            raise PlatformError(f"{self.uri} doesn't answer: {error}") from error
        if answer.status_code >= 400:
            if EXISTS in answer.text:
                return None
            raise PlatformError(f"{method} {answer.url}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else {}


def write_login(state: Path, uri: str, name: str, password: str) -> Path:
    """A file of exports for a shell, which only its owner can read."""
    path = state / "users" / name
    path.parent.mkdir(exist_ok=True)
    values = {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TRACKING_USERNAME": name,
        "MLFLOW_TRACKING_PASSWORD": password,
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("".join(f"export {key}={value}\n" for key, value in values.items()))
    return path


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
