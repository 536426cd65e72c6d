"""Packs that nobody will read again: their tree is gone, or its files have changed since."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any


def remove_stale_packs(cache: Path) -> list[str]:
    """Removes them, and says of each how large it was and why; any can be packed again.

    A process that reads a pack at this moment goes on: its memory map outlives the file.
    """
    packs = cache / "packs"
    removed = []
    for folder, why in stale_packs(packs).items():
        n_bytes = sum(path.stat().st_size for path in folder.iterdir())
        # Out of sight first, so that a pack is there as a whole or not at all.
        grave = Path(tempfile.mkdtemp(prefix=".tmp-", dir=packs))
        shutil.rmtree(folder.rename(grave / folder.name).parent)
        removed.append(f"pack {folder.name} ({n_bytes / 1e6:.0f} MB): {why}")
    return removed


def stale_packs(packs: Path) -> dict[Path, str]:
    """The folders of packs that are of no use, and why."""
    stale: dict[Path, str] = {}
    latest: dict[tuple[str, str], Path] = {}
    for folder in sorted(packs.glob("[0-9a-f]*"), key=_made_at):
        meta = _read_meta(folder)
        if meta is None:
            stale[folder] = "it is damaged"
        elif "tree" not in meta:
            continue  # of a version that didn't note it
        elif not Path(meta["tree"]).is_dir():
            stale[folder] = f"its tree {meta['tree']} is gone"
        else:
            what = meta["tree"], meta["records"]
            if what in latest:
                stale[latest[what]] = f"files in {meta['tree']} have changed since"
            latest[what] = folder
    return stale


def _made_at(folder: Path) -> float:
    meta = folder / "meta.json"
    return meta.stat().st_mtime if meta.is_file() else 0.0


def _read_meta(folder: Path) -> dict[str, Any] | None:
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return meta
