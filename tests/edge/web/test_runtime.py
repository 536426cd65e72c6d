"""ONNX Runtime Web by npm: where it comes from, and what happens where it can't be had."""

import shutil
import tarfile

import pytest

from heart_reader.edge.web import runtime
from heart_reader.edge.web.making import runtime_for
from heart_reader.edge.web.runtime import SUMS, NoRuntimeError, browser_runtime
from heart_reader.files import sha256_of


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """An npm that packs what a test says, or fails as one does that has no network."""

    def write(script: str) -> None:
        path = tmp_path / "bin" / "npm"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")

    return write


def test_the_files_are_the_pinned_ones_and_are_fetched_once(web_runtime, npm):
    for path in (web_runtime.glue, web_runtime.wasm):
        assert sha256_of(path) == SUMS[path.name]
    npm("exit 1")
    assert browser_runtime(web_runtime.glue.parents[2]) == web_runtime


def test_without_npm_the_export_says_so_in_a_line_and_goes_on(monkeypatch, tmp_path):
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert runtime_for("auto", said.append) is None
    (line,) = said
    assert "the web page is left out: npm isn't installed" in line and "\n" not in line
    with pytest.raises(NoRuntimeError, match="npm isn't installed"):
        runtime_for("always", said.append)
    assert runtime_for("never", said.append) is None and len(said) == 1


def test_npms_own_words_are_told(npm, tmp_path):
    npm("echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(
        NoRuntimeError, match=r"can't fetch onnxruntime-web 1\.30\.0: code ENOTFOUND"
    ):
        browser_runtime(tmp_path / "cache")


def test_an_npm_that_hangs_is_not_waited_for(npm, monkeypatch, tmp_path):
    npm("exec sleep 60")
    monkeypatch.setattr(runtime, "LONGEST", 0.2)
    with pytest.raises(NoRuntimeError, match="didn't fetch"):
        browser_runtime(tmp_path / "cache")


def test_another_file_than_the_pinned_one_is_refused(npm, tmp_path):
    folder = tmp_path / "package" / "dist"
    folder.mkdir(parents=True)
    for name in SUMS:
        (folder / name).write_text("evil")
    with tarfile.open(tmp_path / "made.tar", "w:gz") as archive:
        archive.add(tmp_path / "package", "package")
    npm(f"cp {tmp_path / 'made.tar'} onnxruntime-web-1.30.0.tgz")
    cache = tmp_path / "cache"
    with pytest.raises(NoRuntimeError, match="isn't the pinned one"):
        browser_runtime(cache)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    shutil.rmtree(cache)
