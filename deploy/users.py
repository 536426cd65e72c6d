"""Makes a user of the platform, and the file that logs them in.

python -m deploy.users --state .platform --name ada --role member
python -m deploy.users --state .platform --name ada --role none       # takes every role away

Single experiments and models are shared in MLflow's own UI, or by its AuthServiceClient.
"""

import os
import secrets
import sys
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from deploy.compose import host_variables, read_variables
from deploy.state import state_folder
from heart_reader.cli import dotted_options, run_entry
from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.tracking.runs import store_errors

NONE = "none"


def main() -> None:
    """Makes the user, or gives one that is there another role."""
    options = dotted_options(sys.argv[1:])
    name, role = options.pop("name", ""), options.pop("role", "member")
    if not name:
        raise ConfigError("a user needs a name: make user NAME=ada ROLE=member")
    state = state_folder(options)
    variables = host_variables(read_variables(state))
    uri = f"http://127.0.0.1:{variables.get('MLFLOW_PORT', '5000')}"
    client = log_in(uri, "admin", variables["ADMIN_PASSWORD"])
    with store_errors():
        password = make_user(client, name)
        set_role(client, name, role)
    if password:
        print(f"{name} is a {role}; their login: . {write_login(state, uri, name, password)}")
    else:
        print(f"{name} is a {role} now, with the password of before")


def log_in(uri: str, name: str, password: str) -> AuthServiceClient:
    """A client that speaks for a user; MLflow knows no other way than these variables."""
    os.environ["MLFLOW_TRACKING_USERNAME"] = name
    os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    return AuthServiceClient(uri)


def make_user(client: AuthServiceClient, name: str) -> str:
    """The password of a new user, or "" for one that is there."""
    password = secrets.token_urlsafe(18)
    try:
        client.create_user(name, password)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return ""
    return password


def set_role(client: AuthServiceClient, name: str, role: str) -> None:
    """One role, in place of those that the user had.

    Raises:
        ConfigError: there is no such role.
    """
    roles = {each.name: each.id for each in client.list_roles(DEFAULT_WORKSPACE_NAME)}
    if role != NONE and role not in roles:
        raise ConfigError(
            f"unknown role {role!r}{did_you_mean(role, [*roles, NONE])}: "
            f"there are {', '.join(sorted([*roles, NONE]))}"
        )
    for had in client.list_user_roles(name):
        if had.name in roles:
            client.unassign_role(name, had.id)
    if role != NONE:
        client.assign_role(name, roles[role])


def write_login(state: Path, uri: str, name: str, password: str) -> Path:
    """A file of exports for a shell, which only its owner can read."""
    folder = state / "users"
    folder.mkdir(exist_ok=True)
    path = folder / name
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
