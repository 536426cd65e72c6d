"""What a user means by a path or an address, and how a file appears as a whole."""

from pathlib import Path

import pytest
import sqlalchemy

from heart_reader.config.request import config_request
from heart_reader.data.dataset import data_root
from heart_reader.files import expanded_uri, sqlite_file, written_whole


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///mlflow.db",
        "sqlite:////a/b.db",
        "sqlite:///a%20folder/%C3%A4.db",
        "sqlite+pysqlite:////a/b.db?timeout=3",
    ],
)
def test_the_file_is_the_one_that_sqlalchemy_opens(uri: str):
    assert str(sqlite_file(uri)) == sqlalchemy.make_url(uri).database


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///:memory:", "http://host:5000", "postgresql:///mlflow"]
)
def test_what_is_no_file(uri: str):
    assert sqlite_file(uri) is None
    assert expanded_uri(uri) == uri


def test_a_tilde_is_the_home_folder_wherever_a_path_is_read(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {"data": "~/ptbxl", "features": "~/table.csv"}
    config = config_request(options).for_training()
    assert config.data.root == str(tmp_path / "ptbxl")
    assert config.features.source == str(tmp_path / "table.csv")
    made_from = {"data": {"root": "~/ptbxl"}}
    assert config_request({}).for_bundle(made_from).data.root == str(tmp_path / "ptbxl")
    assert expanded_uri("sqlite:///~/x.db") == f"sqlite:///{tmp_path}/x.db"
    assert sqlite_file("sqlite:///~/x.db") == tmp_path / "x.db"
    (tmp_path / "own.yaml").write_text("seed: 7")
    assert config_request({"config": "~/own.yaml"}).for_training().seed == 7


def test_a_relative_tree_is_told_by_its_absolute_path(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    data = config_request({"data": "ptbxl"}).for_training().data
    assert data_root(data, tmp_path) == tmp_path / "ptbxl"


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "folder" / "a.txt"
    with written_whole(path) as beside:
        beside.write_text("old")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), written_whole(path) as beside:
        beside.write_text("half")
        _ = 1 // 0
    assert path.read_text() == "old"
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]
