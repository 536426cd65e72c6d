"""Who may do what: every request that our commands make, by every kind of user.

``1`` may, ``0`` may not. An owner is a member who made the experiment, and owns the model as who
made one before names were reserved; a member and a promoter are others.

Covers: deploy.roles, deploy.server.platform_hooks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.deploy.running import User

ROLES = ("nobody", "none", "reader", "member", "owner", "promoter", "admin")
NAME, THEIRS = "heart-reader-roles", "heart-reader-s4"  # the platform made the second
API = "api/2.0/mlflow"
FILES = "api/2.0/mlflow-artifacts/artifacts"

# What: who asks for it, and may they (in the order of `ROLES`).
TABLE = {
    "read an experiment": ("train", "0011111"),
    "find runs": ("compare, doctor", "0011111"),
    "read a run": ("train, resume", "0011111"),
    "list artifacts": ("resume", "0011111"),
    "read an artifact": ("resume, promote", "0011111"),
    "read a version": ("promote, sync", "0011111"),
    "find a version by its alias": ("promote, sync", "0011111"),
    "make an experiment": ("train", "0111111"),
    "tag an experiment": ("train", "0001111"),
    "make a run": ("train, tune, promote, sync", "0001111"),
    "log metrics": ("train", "0001111"),
    "log a data set": ("train", "0001111"),
    "tag a run": ("train", "0001111"),
    "drop a run's tag": ("resume", "0001111"),
    "end a run": ("train, doctor", "0001111"),
    "write an artifact": ("train", "0001111"),
    "make a logged model": ("train", "0001111"),
    "make a registered model": ("train", "0111111"),
    "make a model of our names": ("models", "0000011"),
    "make a version": ("train", "0001111"),
    "make a version of the platform's model": ("train", "0001111"),
    "move an alias": ("train, ensemble", "0001111"),
    "say which is champion": ("promote, sync", "0000011"),
    "say what was champion before": ("promote", "0000011"),
    "tag a version": ("promote, doctor", "0001111"),
    "describe a version": ("promote, sync", "0001111"),
    "tag a model": ("claims", "0001111"),
    "drop a model's tag": ("claims", "0001111"),
    # Not needed: who may not leaves it behind.
    "delete an artifact": ("tune, doctor", "0000101"),
    "delete a run": ("tune", "0000101"),
    "delete a logged model": ("train, after a resume", "0000101"),
    "drop a version's tag": ("doctor", "0000101"),
    "drop an alias": ("doctor", "0000101"),
    "delete a model of our names": ("", "0000001"),
    "drop a champion": ("", "0000001"),
    "delete a champion": ("", "0000001"),
    # Of admins alone.
    "list webhooks": ("sync as a service", "0000001"),
    "make a user": ("make user", "0000001"),
}


@dataclass
class Things:
    """What a request is about, made by the owner."""

    owner: User
    admin: User
    experiment: str
    run: str
    version: str
    counter: int = field(default=0)

    def number(self) -> int:
        """Another one each time."""
        self.counter += 1
        return self.counter

    def new_run(self) -> str:
        """A run of the owner's."""
        made = self.owner.ask("POST", f"{API}/runs/create", {"experiment_id": self.experiment})
        return str(made.json()["run"]["info"]["run_id"])

    def new_model(self) -> str:
        """A logged model of the owner's."""
        body = {"experiment_id": self.experiment, "name": "m"}
        made = self.owner.ask("POST", f"{API}/logged-models", body)
        return str(made.json()["model"]["info"]["model_id"])

    def new_version(self, name: str = NAME) -> dict[str, str]:
        """What makes a version of the owner's model."""
        model = self.new_model()
        return {"name": name, "source": f"models:/{model}", "model_id": model}

    def new_registered(self) -> dict[str, str]:
        """An admin's registered model."""
        body = {"name": f"{NAME}-{self.number()}"}
        assert self.admin.ask("POST", f"{API}/registered-models/create", body).status_code == 200
        return body

    def new_champion(self) -> dict[str, str]:
        """A version of the owner's that an admin made champion."""
        made = self.owner.ask("POST", f"{API}/model-versions/create", self.new_version()).json()
        found = {"name": NAME, "version": made["model_version"]["version"]}
        self.alias("champion", found["version"])
        return found

    def alias(self, alias: str, version: str) -> None:
        """Set by an admin."""
        body = {"name": NAME, "alias": alias, "version": version}
        answer = self.admin.ask("POST", f"{API}/registered-models/alias", body)
        assert answer.status_code == 200, answer.text

    def new_file(self) -> str:
        """An artifact of the owner's."""
        path = f"{FILES}/{self.experiment}/{self.run}/artifacts/{self.number()}.txt"
        assert self.owner.ask("PUT", path, "text").status_code == 200
        return path

    def new_tag(self, where: str, **what: str) -> str:
        """A tag of the owner's."""
        key = f"t{self.number()}"
        made = self.owner.ask("POST", f"{API}/{where}/set-tag", {"key": key, "value": "v", **what})
        assert made.status_code == 200, made.text
        return key


def own(admin: User, name: str, model: str) -> None:
    """A registered model that a user owns."""
    made = admin.ask("POST", f"{API}/registered-models/create", {"name": model})
    assert made.status_code == 200, made.text
    body = {"username": name, "resource_type": "registered_model", "resource_id": model}
    body["permission"] = "MANAGE"
    given = admin.ask("POST", "api/3.0/mlflow/users/permissions/grant", body)
    assert given.status_code == 200, given.text


@pytest.fixture(scope="module")
def things(people: dict[str, User], trained: list[str]) -> Things:  # whose experiment is 1
    owner = people["owner"]
    experiment = owner.ask("POST", f"{API}/experiments/create", {"name": "roles"}).json()
    made = Things(owner, people["admin"], experiment["experiment_id"], "", "1")
    made.run = made.new_run()
    own(made.admin, "roles-owner", NAME)
    answer = owner.ask("POST", f"{API}/model-versions/create", made.new_version())
    assert answer.status_code == 200, answer.text
    made.alias("champion", "1")
    return made


Request = Callable[[User, Things], int]


def asked(method: str, path: str, **body: object) -> Request:
    """A request about things that stay."""

    def ask(user: User, things: Things) -> int:
        words = {"experiment": things.experiment, "run": things.run}
        filled = {
            key: value.format(**words) if isinstance(value, str) else value
            for key, value in body.items()
        }
        return user.ask(method, path.format(**words), filled or None).status_code

    return ask


VERSION = {"name": NAME, "version": "1"}
REQUESTS: dict[str, Request] = {
    "read an experiment": asked("GET", API + "/experiments/get?experiment_id={experiment}"),
    "find runs": lambda user, things: _found(user, things),
    "read a run": asked("GET", API + "/runs/get?run_id={run}"),
    "list artifacts": asked("GET", API + "/artifacts/list?run_id={run}"),
    "read an artifact": lambda user, things: user.ask("GET", things.new_file()).status_code,
    "read a version": asked("GET", f"{API}/model-versions/get?name={NAME}&version=1"),
    "find a version by its alias": asked(
        "GET", f"{API}/registered-models/alias?name={NAME}&alias=champion"
    ),
    "make an experiment": lambda user, things: (
        user.ask(
            "POST", f"{API}/experiments/create", {"name": f"roles-{things.number()}"}
        ).status_code
    ),
    "tag an experiment": asked(
        "POST",
        f"{API}/experiments/set-experiment-tag",
        experiment_id="{experiment}",
        key="k",
        value="v",
    ),
    "make a run": asked("POST", f"{API}/runs/create", experiment_id="{experiment}"),
    "log metrics": asked("POST", f"{API}/runs/log-batch", run_id="{run}", metrics=[]),
    "log a data set": asked(
        "POST",
        f"{API}/runs/log-inputs",
        run_id="{run}",
        datasets=[
            {"dataset": {"name": "d", "digest": "d", "source_type": "local", "source": "d"}}
        ],
    ),
    "tag a run": asked("POST", f"{API}/runs/set-tag", run_id="{run}", key="k", value="v"),
    "drop a run's tag": lambda user, things: (
        user.ask(
            "POST",
            f"{API}/runs/delete-tag",
            {"run_id": things.run, "key": things.new_tag("runs", run_id=things.run)},
        ).status_code
    ),
    "end a run": asked("POST", f"{API}/runs/update", run_id="{run}", status="FINISHED"),
    "write an artifact": asked("PUT", FILES + "/{experiment}/{run}/artifacts/w.txt", a="text"),
    "make a logged model": asked(
        "POST", f"{API}/logged-models", experiment_id="{experiment}", name="m"
    ),
    "make a registered model": lambda user, things: (
        user.ask(
            "POST", f"{API}/registered-models/create", {"name": f"roles-{things.number()}"}
        ).status_code
    ),
    "make a model of our names": lambda user, things: (
        user.ask(
            "POST", f"{API}/registered-models/create", {"name": f"{NAME}-{things.number()}"}
        ).status_code
    ),
    "make a version": lambda user, things: (
        user.ask("POST", f"{API}/model-versions/create", things.new_version()).status_code
    ),
    "make a version of the platform's model": lambda user, things: (
        user.ask("POST", f"{API}/model-versions/create", things.new_version(THEIRS)).status_code
    ),
    "move an alias": asked("POST", f"{API}/registered-models/alias", alias="candidate", **VERSION),
    "say which is champion": asked(
        "POST", f"{API}/registered-models/alias", alias="champion", **VERSION
    ),
    "say what was champion before": asked(
        "POST", f"{API}/registered-models/alias", alias="previous", **VERSION
    ),
    "tag a version": asked("POST", f"{API}/model-versions/set-tag", key="k", value="v", **VERSION),
    "describe a version": asked(
        "PATCH", f"{API}/model-versions/update", description="d", **VERSION
    ),
    "tag a model": asked(
        "POST", f"{API}/registered-models/set-tag", name=NAME, key="k", value="v"
    ),
    "drop a model's tag": lambda user, things: (
        user.ask(
            "DELETE",
            f"{API}/registered-models/delete-tag",
            {"name": NAME, "key": things.new_tag("registered-models", name=NAME)},
        ).status_code
    ),
    "delete an artifact": lambda user, things: user.ask("DELETE", things.new_file()).status_code,
    "delete a run": lambda user, things: (
        user.ask("POST", f"{API}/runs/delete", {"run_id": things.new_run()}).status_code
    ),
    "delete a logged model": lambda user, things: (
        user.ask("DELETE", f"{API}/logged-models/{things.new_model()}").status_code
    ),
    "drop a version's tag": lambda user, things: (
        user.ask(
            "DELETE",
            f"{API}/model-versions/delete-tag",
            {**VERSION, "key": things.new_tag("model-versions", **VERSION)},
        ).status_code
    ),
    "delete a model of our names": lambda user, things: (
        user.ask("DELETE", f"{API}/registered-models/delete", things.new_registered()).status_code
    ),
    "drop an alias": lambda user, things: _alias_dropped(user, things, f"a{things.number()}"),
    "drop a champion": lambda user, things: _alias_dropped(user, things, "previous"),
    "delete a champion": lambda user, things: (
        user.ask("DELETE", f"{API}/model-versions/delete", things.new_champion()).status_code
    ),
    "list webhooks": asked("GET", f"{API}/webhooks"),
    "make a user": lambda user, things: (
        user.ask(
            "POST",
            f"{API}/users/create",
            {"username": f"roles-{things.number()}", "password": "long enough x"},
        ).status_code
    ),
}


def _found(user: User, things: Things) -> int:
    """MLflow answers a search with what the user may see: nothing at all is a refusal."""
    answer = user.ask("POST", f"{API}/runs/search", {"experiment_ids": [things.experiment]})
    return 403 if answer.ok and not answer.json().get("runs") else answer.status_code


def _alias_dropped(user: User, things: Things, alias: str) -> int:
    things.alias(alias, "1")
    path = f"{API}/registered-models/alias"
    return user.ask("DELETE", path, {"name": NAME, "alias": alias}).status_code


@pytest.mark.parametrize("what", TABLE)
def test_each_role_may_do_what_the_table_says(what: str, people: dict[str, User], things: Things):
    answers = {role: REQUESTS[what](people[role], things) for role in ROLES}
    assert set(answers.values()) <= {200, 401, 403}, answers
    assert "".join(str(int(answers[role] == 200)) for role in ROLES) == TABLE[what][1], answers


def test_the_table_is_whole():
    assert REQUESTS.keys() == TABLE.keys()
