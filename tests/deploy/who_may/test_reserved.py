"""The registered models that members find, and what they are told of those that aren't there.

Covers: registry.gate.reserve, deploy.stores.migrate, heart_reader.tracking.permissions.
"""

import pytest

from deploy.roles import MODELS
from heart_reader.tracking import registered_name, require_registered_model
from registry.client import KINDS
from registry.gate import promote, reserve
from tests.deploy.running import User
from tests.deploy.who_may.test_roles import API
from tests.tracking.processes import SMALL, Call, Store, words
from tuning import train

pytest_plugins = ["tests.tracking.trained"]
RHYTHM = registered_name("se_resnet1d", "rhythm")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def log_in(patch: pytest.MonkeyPatch, user: User) -> str:
    """In this process; gives the server's address."""
    for key, value in user.login.items():
        patch.setenv(key, value)
    return user.platform.uri


def answer(user: User, name: str) -> int:
    return user.ask("GET", f"{API}/registered-models/get?name={name}").status_code


def test_the_platform_makes_a_model_for_each_kind_that_there_is():
    assert sorted(MODELS) == sorted(registered_name(kind) for kind in KINDS)


def test_they_are_there_from_the_start_and_nobody_but_admins_owns_them(people: dict[str, User]):
    assert [answer(people["reader"], name) for name in MODELS] == [200] * len(MODELS)
    for name in ("roles-member", "roles-promoter"):
        path = f"api/3.0/mlflow/users/permissions/list?username={name}"
        found = people["admin"].ask("GET", path)
        assert found.status_code == 200 and not [m for m in MODELS if f'"{m}"' in found.text]


def test_who_asks_for_one_that_is_there_is_told_so(people: dict[str, User]):
    """As MLflow's client does when it registers, and ours did."""
    asked = {
        role: people[role].ask("POST", f"{API}/registered-models/create", {"name": MODELS[0]})
        for role in ("none", "reader", "member", "admin")
    }
    assert {role: each.status_code for role, each in asked.items()} == {
        "none": 403, "reader": 403, "member": 400, "admin": 400,
    }  # fmt: skip
    assert asked["member"].json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


def test_a_member_is_told_before_the_work_who_makes_another_tasks_models(
    people: dict[str, User], store: Store, call: Call, monkeypatch: pytest.MonkeyPatch
):
    asked = words(SMALL | {"backbone": "se_resnet1d", "task": "rhythm", "trials": "0"})
    uri = log_in(monkeypatch, people["member"])
    done = call(train.main, store, *asked, uri=uri)
    assert done.errors == [
        f"error: user 'roles-member' may not make the registered model {RHYTHM!r}: a "
        "promoter or an admin makes those of a task, by heart-reader models --task rhythm"
    ]
    refused = call(reserve.main, store, "--task", "rhythm", uri=uri)
    assert refused.code == 1 and "that takes a promoter's role" in refused.err
    assert answer(people["admin"], RHYTHM) == 404

    log_in(monkeypatch, people["promoter"])
    made = call(reserve.main, store, "--task", "rhythm", uri=uri)
    assert made.code == 0 and RHYTHM in made.out, made.err
    again = call(reserve.main, store, "--task", "rhythm", uri=uri)
    assert again.out == "all of them were there\n"
    log_in(monkeypatch, people["member"])
    require_registered_model(RHYTHM, "rhythm")


def test_an_empty_model_is_no_model_yet(
    people: dict[str, User], store: Store, call: Call, monkeypatch: pytest.MonkeyPatch
):
    uri = log_in(monkeypatch, people["promoter"])
    done = call(promote.main, store, "--model", MODELS[3], uri=uri)
    assert done.errors[0].endswith(f"{uri} has {MODELS[3]} without any version")
    named = call(promote.main, store, "--model", "heart-reader-none", uri=uri)
    assert named.code == 1 and MODELS[3] not in named.err
