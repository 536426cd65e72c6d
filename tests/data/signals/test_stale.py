"""What `prepare --clean true` removes from the cache, and what it leaves."""

import os
import shutil
from pathlib import Path

import pytest

from heart_reader.data.ptbxl import load_metadata
from heart_reader.data.signals.pack import load_pack
from heart_reader.data.signals.stale import remove_stale_packs
from tests.data.trees import copy_tree, small_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_demo(tmp_path_factory.mktemp("stale"), 100)


def pack(tree: Path, cache: Path, folds: tuple[int, ...] = (1, 2)) -> str:
    """Packs some folds; gives the digest."""
    metadata = load_metadata(tree)
    records = metadata[metadata["strat_fold"].isin(folds)]
    return load_pack(tree, records, cache, "error", progress=False).digest


def folders(cache: Path) -> set[str]:
    return {path.name for path in (cache / "packs").iterdir()}


def test_only_packs_that_nobody_will_read_again_go(demo: Path, tmp_path: Path):
    cache, kept, gone = tmp_path / "cache", tmp_path / "kept", tmp_path / "gone"
    for tree in (kept, gone):
        copy_tree(demo, tree)
    pack(kept, cache)
    (replaced,) = folders(cache)
    metadata = load_metadata(kept)
    name = metadata.loc[metadata["strat_fold"] == 1, "filename_lr"].iloc[0]
    os.utime(kept / f"{name}.dat", (1e9, 1e9))
    digest = pack(kept, cache)
    pack(kept, cache, (3,))
    current = folders(cache) - {replaced}
    pack(gone, cache)
    (lost,) = folders(cache) - current - {replaced}
    (cache / "packs" / "0badc0de").mkdir()
    shutil.rmtree(gone)
    lines = remove_stale_packs(cache)
    assert folders(cache) == current
    assert {line.split()[1]: line.partition("): ")[2] for line in lines} == {
        replaced: f"files in {kept} have changed since",
        lost: f"its tree {gone} is gone",
        "0badc0de": "it is damaged",
    }
    assert remove_stale_packs(cache) == []
    assert pack(kept, cache) == digest and folders(cache) == current
