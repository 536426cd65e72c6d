"""Where answers are logged, and under which hash a record stands."""

import hashlib
import hmac
from pathlib import Path

import pytest

from heart_reader.errors import ConfigError
from heart_reader.predictions.place import KEY_VARIABLE, ROWS_VARIABLE, VARIABLE, find_place


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("address", "kind", "means"),
    [
        ("sqlite:////tmp/x.db", "sqlite", "sqlite:////tmp/x.db"),
        ("sqlite:///~/x.db", "sqlite", f"sqlite:///{Path.home()}/x.db"),
        ("postgresql://me@host/db", "postgresql", "postgresql+psycopg2://me@host/db"),
        ("postgres://me@host/db", "postgresql", "postgresql+psycopg2://me@host/db"),
        ("postgresql+psycopg2:///db", "postgresql", "postgresql+psycopg2:///db"),
        ("~/answers", "parquet", str(Path.home() / "answers")),
        ("/srv/answers", "parquet", "/srv/answers"),
    ],
)
def test_addresses(address, kind, means):
    place = find_place({VARIABLE: address})
    assert place is not None
    assert (place.kind, place.address, place.most_rows) == (kind, means, 1_000_000)


@pytest.mark.parametrize("address", ["", "  "])
def test_nothing_is_logged_unless_it_is_asked_for(address):
    assert find_place({VARIABLE: address}) is None
    assert find_place({}) is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({VARIABLE: "mysql://host/db"}, "must be sqlite:///FILE, postgresql://... or a folder"),
        ({VARIABLE: "s3://bucket/x"}, "but begins with s3://"),
        ({VARIABLE: "/x", ROWS_VARIABLE: "0"}, "_ROWS must be a number of at least 1, but is '0'"),
        ({VARIABLE: "/x", ROWS_VARIABLE: "-3"}, "but is '-3'"),
        ({VARIABLE: "/x", ROWS_VARIABLE: "many"}, "but is 'many'"),
    ],
)
def test_what_is_no_place_is_refused(environment, said):
    with pytest.raises(ConfigError, match=said):
        find_place(environment)


def test_a_password_is_not_said():
    place = find_place({VARIABLE: "postgresql://me:secret@host/db", KEY_VARIABLE: "hidden"})
    assert "secret" not in str(place) and "hidden" not in repr(place)


def test_journals_of_two_tables_are_apart(cache: Path):
    one, two = (find_place({VARIABLE: f"/answers/{k}"}) for k in (1, 2))
    assert one.journal != two.journal and one.journal.parent == cache / "predictions"


def test_a_record_is_a_hash_under_the_key_or_nothing():
    place = find_place({VARIABLE: "/x", KEY_VARIABLE: "secret"})
    expected = hmac.new(b"secret", b"00001_lr", hashlib.sha256).hexdigest()[:32]
    assert place.hashed("00001_lr") == expected
    assert place.hashed("/mnt/ward 3/00001_lr.hea") == expected
    assert place.hashed("") is None
    assert find_place({VARIABLE: "/x"}).hashed("00001_lr") is None
