"""The chain of promotions: what it says, and that whoever breaks it is found.

Covers: registry.trust.chain, registry.trust.keys, registry.trust.records, registry.trust.witness,
registry.sync.recorded.
"""

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.single import save_bundle
from heart_reader.errors import ConfigError, ModelError
from heart_reader.tracking import ModelVersion, log_bundle, resolve_version
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.fresh import make_store
from heart_reader.tracking.versions import download_bundle
from registry.client import Registry
from registry.gate.back import roll_back
from registry.settings import load_settings
from registry.sync.recorded import Followed
from registry.sync.steps import due, lacking
from registry.trust import audit, keys
from registry.trust.chain import AUDITED, FILE, HEAD, read_chain, write_record
from registry.trust.keys import trusted_keys
from registry.trust.records import Signed, hash_of, read_signed
from registry.trust.witness import witnessed
from tests.edge.bundles import fresh_bundle
from tests.tracking.processes import forget_mlflow

NAME = "heart-reader-se_resnet1d"
FIGURES = {"macro AUC": {"held": True, "text": "0.93", "macro_auc": 0.93}}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A store with three versions, each promoted: the third by force."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, folder)
        make_store(f"sqlite:///{folder}/mlflow.db")
        tracking.set_up_tracking()
        registry, champion = Registry(), None
        for number in range(3):
            version = registered(folder / f"bundle{number}", number)
            action = "forced" if number == 2 else "promoted"
            champion = promoted(registry, version, champion, action)
    return folder


def enter(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.chdir(folder)
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    patch.setenv("HEART_READER_CACHE", str(folder / "cache"))
    patch.setenv("COLUMNS", "250")
    forget_mlflow(patch)


def registered(folder: Path, number: int) -> ModelVersion:
    with tracking.open_run(f"train {number}"):
        bundle = replace(fresh_bundle("se_resnet1d", 0), provenance={"n": number})
        save_bundle(bundle, folder)
        return log_bundle(folder, "se_resnet1d", "made here", {})


def promoted(
    registry: Registry, version: ModelVersion, champion: ModelVersion | None, action: str
) -> ModelVersion:
    with tracking.open_run(f"promote {version.version}") as run:
        write_record(registry, run, version, champion, action, "because", FIGURES, "d" * 64)
        registry.make_champion(version)
        registry.set_tags(version, {AUDITED: run.run_id})
    return version


@pytest.fixture
def registry(made: Path, tmp_path: Path, monkeypatch) -> Iterator[Registry]:
    """The store, put back as it was when it has been broken; its database stays open."""
    enter(monkeypatch, made)
    tracking.set_up_tracking()
    found = Registry()
    head = dict(found.model(NAME).tags)[HEAD]
    versions = {n: resolve_version(f"models:/{NAME}/{n}") for n in (1, 2, 3)}
    tags = {n: found.tags(version)[AUDITED] for n, version in versions.items()}
    kept = [*made.rglob(FILE), *made.rglob("artifacts/**/weights.safetensors")]
    files = {path: path.read_bytes() for path in kept}
    shutil.rmtree(made / "cache" / "audit", ignore_errors=True)
    yield found
    for path, data in files.items():
        path.write_bytes(data)
    found.set_model_tag(NAME, HEAD, head)
    found.set_alias(versions[3], "champion")
    for n, version in versions.items():
        found.set_tags(version, {AUDITED: tags[n]})


def problems(registry: Registry) -> list[str]:
    return list(witnessed(NAME, read_chain(registry, NAME, trusted_keys("none"))).problems)


def file_of(registry: Registry, number: int) -> Path:
    """The file of a record in the artifact store."""
    chain = read_chain(registry, NAME, trusted_keys("none"))
    run = next(each.record.run for each in chain.records if each.record.number == number)
    (found,) = Path.cwd().rglob(f"{run}/artifacts/{FILE}")
    return found


# ---------------------------------------------------------------- what it says


def test_the_chain_says_who_what_and_why_and_verifies(registry, capsys):
    chain = read_chain(registry, NAME, trusted_keys("none"))
    assert chain.problems == []
    first, second, third = (each.record for each in chain.records)
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert (first.left, first.came) == ("none", f"{NAME}/1")
    assert (third.left, third.came, third.action) == (f"{NAME}/2", f"{NAME}/3", "forced")
    assert third.figures == FIGURES and third.reason == "because" and third.data_digest == "d" * 64
    assert third.previous == chain.records[1].hash and third.previous_run == second.run
    assert "@" in third.who and len(third.environment) == 64 and third.code_commit
    version = resolve_version(f"models:/{NAME}/3")
    with_bundle = download_bundle(version, Path.cwd() / "fetched")
    assert third.bundle_digest == folder_digest(with_bundle)
    audit.main(["--model", NAME])
    out = capsys.readouterr().out
    assert f"{NAME}: 3 records verify" in out and "forced" in out and "because" in out


def test_a_signature_is_checked_by_the_standard_library_of_another_hand(registry):
    """By the bytes of RFC 8032 alone: the public key in the record, the hash, the signature."""
    for each in read_chain(registry, NAME, trusted_keys("none")).records:
        tree = json.loads(each.text())
        text = json.dumps(tree["record"], sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == tree["hash"]
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(tree["key"]))
        key.verify(base64.b64decode(tree["signature"]), tree["hash"].encode())


def test_the_private_key_is_its_owners_alone(registry):
    assert keys.key_file().stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- what sync makes of it


def entries(registry: Registry, **options: str) -> tuple[set[str], list[str]]:
    """The kinds of steps that are due for the model, and what sync says of its champion."""
    settings, _ = load_settings({f"sync.{key}": value for key, value in options.items()})
    follows = Followed(registry, settings.sync)
    found = {step.entry for step in due(registry, follows) if step.model == NAME}
    return found, [line for line in lacking(registry, follows) if "isn't followed" in line]


def test_sync_follows_a_champion_with_a_record_alone_where_that_is_asked_for(registry):
    assert entries(registry, champions="recorded") == ({"evaluate", "export"}, [])
    registry.set_alias(resolve_version(f"models:/{NAME}/1"), "champion")
    kinds, (line,) = entries(registry, champions="recorded")
    assert kinds == set()
    assert line == (
        f"champion {NAME}/1 isn't followed: champion is {NAME}/1, but by the newest record it is "
        f"{NAME}/3"
    )
    assert entries(registry, champions="any") == ({"evaluate", "export"}, [])


def test_sync_believes_the_keys_that_it_is_given(registry, tmp_path, monkeypatch):
    """Promotions of another machine: unknown at first, believed with that machine's public key."""
    public = keys.key_file().with_name(keys.PUBLIC)
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "another machine"))
    kinds, (line,) = entries(registry, champions="recorded")
    assert kinds == set() and "signed by a key that isn't known here" in line
    assert entries(registry, champions="recorded", keys=str(public))[0] == {"evaluate", "export"}


# ---------------------------------------------------------------- broken on purpose


def edited(path: Path, change: Callable[[dict], None]) -> None:
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def forge(registry: Registry) -> None:
    """Another reason, its hash right again, signed with a key of one's own."""
    path = file_of(registry, 3)
    old = read_signed(path.read_text(), "")
    record = replace(old.record, reason="a better one")
    key = Ed25519PrivateKey.generate()
    digest = hash_of(record)
    signature = base64.b64encode(key.sign(digest.encode())).decode()
    forged = Signed(record, digest, signature, keys.name_of(key.public_key()))
    path.write_text(forged.text())
    head = json.dumps({"number": 3, "hash": digest, "run": record.run})
    registry.set_model_tag(NAME, HEAD, head)


def borrow(registry: Registry) -> None:
    """The same, with the known key's name but no signature of it."""
    path = file_of(registry, 3)
    old = read_signed(path.read_text(), "")
    record = replace(old.record, reason="a better one")
    path.write_text(replace(old, record=record, hash=hash_of(record)).text())
    head = json.dumps({"number": 3, "hash": hash_of(record), "run": record.run})
    registry.set_model_tag(NAME, HEAD, head)


def cut(registry: Registry, cleaned: bool = False) -> None:
    """The head and the champion put back to the second, as if the third had never been."""
    second = read_chain(registry, NAME, trusted_keys("none")).records[1]
    head = {"number": 2, "hash": second.hash, "run": second.record.run}
    registry.set_model_tag(NAME, HEAD, json.dumps(head))
    registry.set_alias(resolve_version(f"models:/{NAME}/2"), "champion")
    if cleaned:
        registry.client.delete_model_version_tag(NAME, "3", AUDITED)


def swap(registry: Registry) -> None:
    """Other weights in the place of the champion's."""
    version = resolve_version(f"models:/{NAME}/3")
    (weights,) = Path.cwd().rglob(f"{version.model_id}/artifacts/**/weights.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


BROKEN: dict[str, tuple[Callable[[Registry], object], str]] = {
    "a reason is edited": (
        lambda r: edited(file_of(r, 2), lambda t: t["record"].update(reason="other")),
        "record 2: its hash isn't that of what it says",
    ),
    "a record is taken out": (lambda r: file_of(r, 2).unlink(), "record 2, of run .* isn't there"),
    "a record is signed by another": (forge, "record 3: it is signed by a key that isn't known"),
    "a signature is of something else": (borrow, "record 3: its signature isn't of this record"),
    "the last is cut off": (cut, "heart-reader-se_resnet1d/3 was promoted by run .* isn't in the"),
    "the champion is moved by hand": (
        lambda r: r.set_alias(resolve_version(f"models:/{NAME}/1"), "champion"),
        "champion is .*/1, but by the newest record it is .*/3",
    ),
    "the weights are others": (swap, "/3 holds another bundle"),
    "the head is junk": (lambda r: r.set_model_tag(NAME, HEAD, "[]"), "is no head of a chain"),
    "two records change places": (
        lambda r: shutil.copyfile(file_of(r, 1), file_of(r, 2)),
        "record 2, of run .* isn't the one that the next one",
    ),
    "a record is junk": (
        lambda r: file_of(r, 1).write_text('{"format": 1, "record": {"number": "x"}}'),
        "record 1, of run .* is no record of a promotion",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_whoever_breaks_it_is_found(how, registry):
    assert problems(registry) == []
    change, message = BROKEN[how]
    change(registry)
    found = problems(registry)
    assert any(re.search(message, each) for each in found), found
    with pytest.raises(SystemExit) as ended:
        audit.main(["--model", NAME])
    assert ended.value.code == audit.BROKEN


def test_who_saw_the_record_that_was_cut_off_without_a_trace_knows(registry):
    assert problems(registry) == []  # seen
    cut(registry, cleaned=True)
    assert read_chain(registry, NAME, trusted_keys("none")).problems == []
    assert problems(registry) == ["record 3 was seen here before, and is gone or another one now"]


def test_a_champion_without_any_record(registry):
    registry.client.delete_registered_model_tag(NAME, HEAD)
    assert any("there is no record of any promotion" in each for each in problems(registry))


# ---------------------------------------------------------------- keys


def test_another_machine_believes_a_key_that_it_is_given(registry, tmp_path, monkeypatch):
    public = keys.key_file().with_name(keys.PUBLIC)
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("HEART_READER_CACHE", str(elsewhere))
    unknown = read_chain(registry, NAME, trusted_keys("none")).problems
    assert len(unknown) == 3 and all("isn't known here" in each for each in unknown)
    assert read_chain(registry, NAME, trusted_keys(str(public))).problems == []


def test_keys_that_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "gone.pem"))
    with pytest.raises(ConfigError, match=r"gone\.pem, which isn't there"):
        keys.signing_key()
    (tmp_path / "junk.pem").write_text("junk")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "junk.pem"))
    with pytest.raises(ConfigError, match="no private key"):
        keys.signing_key()
    monkeypatch.delenv(keys.VARIABLE)
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "own"))
    with pytest.raises(ConfigError, match="no public key"):
        trusted_keys(str(tmp_path / "junk.pem"))


def test_a_record_of_another_format():
    with pytest.raises(ModelError, match="has format 7, this code reads 1"):
        read_signed('{"format": 7}', "record 1")


def test_the_way_back_is_a_record_too(made, monkeypatch):
    """Behind all that put the store back: the chain is longer from here on."""
    enter(monkeypatch, made)
    registry = Registry()
    roll_back(registry, NAME)
    chain = read_chain(registry, NAME, trusted_keys("none"))
    assert chain.problems == []
    last = chain.records[-1].record
    assert (last.number, last.action) == (4, "rolled back")
    assert (last.left, last.came) == (f"{NAME}/3", f"{NAME}/2")
    assert last.reason == f"{NAME}/2 put back in place of {NAME}/3"
    assert registry.find(NAME, "champion") == resolve_version(f"models:/{NAME}/2")


def test_a_version_that_is_deleted_is_missed(made, monkeypatch):
    """Last in this file: it stays away."""
    enter(monkeypatch, made)
    registry = Registry()
    registry.client.delete_model_version(NAME, "1")
    assert any("/1, of record 1, isn't in the registry" in each for each in problems(registry))
