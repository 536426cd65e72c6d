"""What was tried against a platform, by who may not: each must be refused.

Covers: deploy.server.platform_hooks, deploy.server.large_bodies.
"""

import contextlib
from collections.abc import Iterator

import pytest
import requests

from deploy.server.large_bodies import size_of
from tests.deploy.running import Platform, User
from tests.deploy.who_may.test_roles import API, FILES, own

MODELS = f"{API}/registered-models"
OURS = "heart-reader-attacked"


@pytest.fixture(scope="module")
def eve(people: dict[str, User], trained: list[str]) -> User:  # trained: there is a run to steal
    """A user without any role, with a model of her own."""
    user = people["none"]
    assert user.ask("POST", f"{MODELS}/create", {"name": "eves"}).status_code == 200
    return user


def version_of(user: User, source: str, **body: str) -> int:
    made = {"name": "eves", "source": source, **body}
    return user.ask("POST", f"{API}/model-versions/create", made).status_code


@pytest.mark.parametrize("where", [
    "s3://mlflow/1/{run}/artifacts", "file:///etc", "http://127.0.0.1/", "/etc",
    "mlflow-artifacts:/1/{run}/artifacts", "runs:/{run}/", "mlflow-artifacts:/../1/{run}",
])  # fmt: skip
@pytest.mark.parametrize("naming", [True, False])
def test_a_version_does_not_reach_into_the_store(
    eve: User, trained: list[str], where: str, naming: bool
):
    run = trained[0]
    named = {"run_id": run} if naming else {}
    assert version_of(eve, where.format(run=run), **named) in (400, 403)


def test_an_admin_neither(people: dict[str, User], eve: User, trained: list[str]):
    answer = version_of(people["admin"], f"s3://mlflow/1/{trained[0]}/artifacts")
    assert answer == 400


def test_nobodys_files_are_read_by_who_may_not(eve: User, trained: list[str]):
    path = f"{FILES}/1/{trained[0]}/artifacts/config.yaml"
    assert eve.ask("GET", path).status_code == 403


@pytest.mark.parametrize(("role", "answer"), [
    ("nobody", 401), ("none", 403), ("reader", 403), ("member", 403), ("promoter", 200),
    ("admin", 200),
])  # fmt: skip
def test_our_names_are_reserved(people: dict[str, User], eve: User, role: str, answer: int):
    made = people[role].ask("POST", f"{MODELS}/create", {"name": f"{OURS}-{role}"})
    assert made.status_code == answer, made.text


def test_nor_is_a_model_renamed_to_one(eve: User, people: dict[str, User]):
    body = {"name": "eves", "new_name": f"{OURS}-renamed"}
    assert eve.ask("POST", f"{MODELS}/rename", body).status_code == 403
    member, his = people["member"], {"name": "members", "new_name": f"{OURS}-renamed"}
    assert member.ask("POST", f"{MODELS}/create", {"name": "members"}).status_code == 200
    assert member.ask("POST", f"{MODELS}/rename", his).status_code == 403
    body["new_name"] = "eves-other"
    assert eve.ask("POST", f"{MODELS}/rename", body).status_code == 200
    back = {"name": "eves-other", "new_name": "eves"}
    assert eve.ask("POST", f"{MODELS}/rename", back).status_code == 200


def test_an_owner_does_not_rename_a_champion_away(people: dict[str, User]):
    """Who owns a model of our names doesn't say which version is champion."""
    mine, owner = f"{OURS}-owned", people["owner"]
    own(people["admin"], owner.name, mine)
    body = {"name": mine, "new_name": "anything"}
    assert owner.ask("POST", f"{MODELS}/rename", body).status_code == 403
    assert owner.ask("DELETE", f"{MODELS}/delete", {"name": mine}).status_code == 403
    assert people["admin"].ask("DELETE", f"{MODELS}/delete", {"name": mine}).status_code == 200


class Endless:
    """A body in pieces of a megabyte; it counts those that somebody took."""

    def __init__(self) -> None:
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.sent < 200:
            self.sent += 1
            yield bytes(1 << 20)


@pytest.mark.parametrize("login", [None, ("eve", "a guess")])
@pytest.mark.parametrize("path", [f"{API}/runs/create", f"{FILES}/1/x/artifacts/y", "health"])
def test_who_isnt_logged_in_is_not_listened_to_for_long(
    platform: Platform, path: str, login: tuple[str, str] | None
):
    body = Endless()
    with contextlib.suppress(requests.ConnectionError):  # it hangs up
        answer = requests.put(f"{platform.uri}/{path}", data=iter(body), auth=login, timeout=60)
        assert answer.status_code == 401
    assert body.sent < 50


def test_a_body_that_says_its_size_is_refused_unread(platform: Platform):
    said = {"Content-Length": str(10**12)}
    answer = requests.post(f"{platform.uri}/{API}/runs/create", headers=said, timeout=60)
    assert answer.status_code == 401


@pytest.mark.parametrize("length", [b"9" * 5000, b"-1", b"x", b"\xb2"])
def test_a_size_that_is_none_is_taken_for_a_large_one(length: bytes):
    assert size_of({"headers": [(b"content-length", length)]}) == float("inf")


def test_a_member_sends_large_files(people: dict[str, User], trained: list[str]):
    member, text = people["member"], "a" * (3 << 20)
    path = f"{FILES}/1/{trained[0]}/artifacts/large.txt"
    assert member.ask("PUT", path, text).status_code == 200
    assert len(member.ask("GET", path).content) == len(text) + 2  # JSON's quotes
