"""Makes a user of the platform, and the file that logs them in.

python -m deploy.users --state .platform --name ada --role member
python -m deploy.users --state .platform --name ada --role none       # takes every role away

Single experiments and models are shared in MLflow's own UI.
"""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from deploy.compose import members_address, read_variables, server_address
from deploy.roles import ROLES, WORKSPACE
from deploy.running.supervisor import PlatformError
from deploy.state import state_folder
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, did_you_mean

NONE = "none"
EXISTS = "RESOURCE_ALREADY_EXISTS"
SECONDS = 120.0  # that a busy server may take to answer
SECONDS_FOR_URL = 10.0


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
    variables = read_variables(state)
    admin = Admin(server_address(variables), variables["ADMIN_PASSWORD"])
    password = admin.make_user(name)
    admin.set_role(name, role)
    if password:
        file = write_login(state, login(variables, name, password))
        print(f"{name}, {role}. To log in: . {file}")
    else:
        print(f"{name}, {role} now, with the password of before")
    for line in doubts(variables):
        print(f"warning: {line}", file=sys.stderr)


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


def login(variables: Mapping[str, str], name: str, password: str) -> dict[str, str]:
    """What MLflow's client needs, on the member's own machine."""
    values = {
        "MLFLOW_TRACKING_URI": members_address(variables),
        "MLFLOW_TRACKING_USERNAME": name,
        "MLFLOW_TRACKING_PASSWORD": password,
    }
    if variables.get("CERTIFICATE"):  # one that no authority has signed
        values["MLFLOW_TRACKING_SERVER_CERT_PATH"] = variables["CERTIFICATE"]
    return values


def doubts(variables: Mapping[str, str]) -> list[str]:
    """Whether ``URL`` leads to a platform; a proxy may come up later."""
    url, certificate = variables.get("URL"), variables.get("CERTIFICATE")
    if not url:
        return []
    try:
        answer = requests.get(f"{url}/health", timeout=SECONDS_FOR_URL, verify=certificate or True)
    except (requests.RequestException, OSError) as error:
        return [f"members can't log in yet: URL={url} doesn't answer: {error}"]
    if answer.status_code != 200 or answer.text != "OK":
        return [f"members can't log in yet: URL={url} is no MLflow server: {answer.status_code}"]
    return []


def write_login(state: Path, values: Mapping[str, str]) -> Path:
    """A file of exports for a shell, which only its owner can read."""
    path = state / "users" / values["MLFLOW_TRACKING_USERNAME"]
    path.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("".join(f"export {key}={value}\n" for key, value in values.items()))
    return path


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
