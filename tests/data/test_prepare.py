"""Records are fetched, verified and packed, and what is wrong with them is said.

Covers: heart_reader.data.quality.survey, heart_reader.trainings.checked, heart_reader.progress.
"""

import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from heart_reader.cli.entry import run_entry
from heart_reader.data.download import download
from heart_reader.data.ptbxl import load_metadata
from heart_reader.data.quality import DOUBTFUL, Quality
from heart_reader.errors import DataError
from heart_reader.prepare import main
from heart_reader.tasks.task import Task
from heart_reader.trainings.checked import CheckedTree, print_checked
from tests.data.trees import copy_tree, small_demo


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_demo(tmp_path_factory.mktemp("prepare"), 100)


def files_of(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def publish(tree: Path, to: Path) -> Path:
    """A copy with the list of hashes, and with files that nobody asked for."""
    copy_tree(tree, to)
    (to / "records500").mkdir()
    (to / "records500" / "00001_hr.dat").write_bytes(b"large")
    sums = [f"{hashlib.sha256(data).hexdigest()} {name}" for name, data in files_of(to).items()]
    (to / "SHA256SUMS.txt").write_text("\n".join([*sums, "0" * 64 + " ../../outside.csv"]) + "\n")
    return to


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; counts requests, and cuts off the first ``cuts`` answers of ``cut``."""

    requests: list[str]
    cut = ""
    cuts = 0

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        if self.path == self.cut and type(self).cuts > 0:
            type(self).cuts -= 1
            self.send_response(200)
            self.send_header("Content-Length", "24000")
            self.end_headers()
            self.wfile.write(b"\0" * 1000)
            return
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(folder: Path, cut: str = "", cuts: int = 0) -> Iterator[tuple[str, type[Handler]]]:
    handler = type("Local", (Handler,), {"requests": [], "cut": cut, "cuts": cuts})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *a: handler(*a, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", handler
        server.shutdown()
        thread.join()


def prepare(cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "heart_reader.prepare", *options],
        env=os.environ | {"HEART_READER_CACHE": str(cache), "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )


def test_download_gives_the_published_files_and_no_others(tree: Path, tmp_path: Path) -> None:
    published = publish(tree, tmp_path / "server")
    with serving(published) as (url, _):
        n_files = download(tmp_path / "new", url)
    assert n_files == 202
    assert files_of(tmp_path / "new") == files_of(tree)
    assert not (tmp_path / "outside.csv").exists()


def test_download_fetches_only_what_is_missing_or_damaged(tree: Path, tmp_path: Path) -> None:
    published = publish(tree, tmp_path / "server")
    there = copy_tree(tree, tmp_path / "there")
    missing, damaged = "records100/00000/00003_lr.dat", "records100/00000/00008_lr.hea"
    (there / missing).unlink()
    (there / damaged).write_text("nonsense")
    with serving(published) as (url, handler):
        download(there, url)
    assert sorted(handler.requests) == ["/SHA256SUMS.txt", f"/{missing}", f"/{damaged}"]
    assert files_of(there) == files_of(tree)


def test_download_survives_a_connection_that_breaks(tree: Path, tmp_path: Path) -> None:
    published = publish(tree, tmp_path / "server")
    name = "/records100/00000/00003_lr.dat"
    with serving(published, cut=name, cuts=2) as (url, handler):
        download(tmp_path / "new", url)
    assert handler.requests.count(name) == 3
    assert files_of(tmp_path / "new") == files_of(tree)


def test_file_that_stays_damaged_is_named_and_never_kept(tree: Path, tmp_path: Path) -> None:
    published = publish(tree, tmp_path / "server")
    name = "records100/00000/00003_lr.dat"
    (published / name).write_bytes(b"\0" * 24000)
    with (
        serving(published) as (url, _),
        pytest.raises(DataError, match=rf"can't fetch {url}{name} .*run the same command again"),
    ):
        download(tmp_path / "new", url)
    got = files_of(tmp_path / "new")
    assert name not in got
    assert got.items() <= files_of(tree).items()  # what is there is whole


def test_server_that_is_not_there_or_not_ptbxl(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server") as (url, _):
        with pytest.raises(DataError, match=r"can't fetch .*SHA256SUMS\.txt .*404"):
            download(tmp_path / "new", url)
        (tmp_path / "server" / "SHA256SUMS.txt").write_text("0" * 64 + " readme.txt\n")
        with pytest.raises(DataError, match=r"doesn't list ptbxl_database\.csv"):
            download(tmp_path / "new", url)
    with pytest.raises(DataError, match="check the address and the network"):
        download(tmp_path / "new", url)


def test_entry_fetches_verifies_packs_and_counts(tree: Path, tmp_path: Path) -> None:
    published = publish(tree, tmp_path / "server")
    new = tmp_path / "new"
    with serving(published) as (url, _):
        done = prepare(tmp_path / "c", "--data", str(new), "--download", "true", "--url", url)
    assert done.returncode == 0, done.stderr
    assert "202 files are there" in done.stdout
    assert "folds 1 to 9 are packed, digest " in done.stdout
    packed = list((tmp_path / "c" / "packs").glob("*/signals.i16"))
    n_test = int((load_metadata(tree)["strat_fold"] == 10).sum())
    assert [path.stat().st_size for path in packed] == [(100 - n_test) * 24000]


def test_entry_reports_a_defect_of_fold_10_without_packing_it(tree: Path, tmp_path: Path) -> None:
    broken = copy_tree(tree, tmp_path / "broken")
    metadata = load_metadata(broken)
    ecg_id = metadata.index[metadata["strat_fold"] == 10][0]
    os.truncate(broken / f"{metadata.loc[ecg_id, 'filename_lr']}.dat", 100)
    done = prepare(tmp_path / "c", "--data", str(broken))
    assert done.returncode == 1
    assert f"error: record {ecg_id}, " in done.stderr
    assert "is cut short: 100 bytes" in done.stderr
    skipped = prepare(tmp_path / "c", "--data", str(broken), "--data.on_defect", "skip")
    assert skipped.returncode == 0
    assert f"left out: record {ecg_id}, " in skipped.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--data", "/nowhere/at/all"), "no PTB-XL tree at /nowhere/at/all"),
        (("--download", "true"), "needs a folder to fetch to"),
        (("--download", "maybe"), "option 'download' must be true or false, but is 'maybe'"),
    ],
)
def test_entry_refuses_in_one_line(
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["prepare", *options])
    assert run_entry(main) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert words in printed
    assert len(printed.splitlines()) == 1


def test_entry_counts_what_can_not_be_read_and_says_a_wrong_gain_once(
    tree: Path, tmp_path: Path
) -> None:
    done = prepare(tmp_path / "c", "--data", str(tree))
    assert "doubtful" in done.stdout and "PTB-XL's" not in done.stdout
    wrong = copy_tree(tree, tmp_path / "wrong")
    for header in wrong.rglob("*.hea"):
        header.write_text(header.read_text().replace(" 1000.0(0)/mV", " 200(0)/mV"))
    done = prepare(tmp_path / "c", "--data", str(wrong))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("times PTB-XL's: is the gain 200 where 1000 is right?") == 1
    n_judged = int((load_metadata(tree)["strat_fold"] < 10).sum())
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("│  all")]
    *_, doubtful, unusable = [int(cell) for cell in row.strip("│").split("│")[1:]]
    assert unusable > 0.85 * n_judged and doubtful + unusable >= n_judged - 3


# ---------------------------------------------------------------- what is printed

NAMES = ("NSR", "AF", "IAVB", "CLBBB", "CRBBB", "PVC", "SB", "SA", "STach")


def printed(n_classes: int, width: int) -> str:
    classes = NAMES[:n_classes]
    labels = np.tile(np.arange(n_classes) == 1, (20, 1)).astype(np.uint8)
    labels[:5] = 0
    metadata = pd.DataFrame(
        {
            "strat_fold": np.arange(20) % 10 + 1,
            "patient_id": np.arange(20),
            "record_id": [f"JS{k}" for k in range(20)],
        },
        index=pd.RangeIndex(1, 21, name="ecg_id"),
    )
    tree = CheckedTree(
        metadata=metadata,
        task=Task("hearts", classes, classes, classes, "keep"),
        labels=labels,
        absent_folds=(),
        digest="0" * 64,
        defects={3: "it is cut short"},
        warnings={},
        quality={7: Quality(DOUBTFUL, ("a lead is off",), {}, 1.0)},
    )
    file = io.StringIO()
    print_checked(tree, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize(
    ("n_classes", "width", "by_column"), [(5, 80, True), (9, 80, False), (9, 120, True)]
)
def test_no_heading_is_cut(n_classes: int, width: int, by_column: bool):
    text = printed(n_classes, width)
    assert "…" not in text
    assert ("by class" not in text) == by_column
    for name in NAMES[:n_classes]:
        assert name in text
    (row,) = [line for line in text.splitlines() if line.startswith("│  all")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    by_class = ["15" if name == "AF" else "0" for name in NAMES[:n_classes]]
    assert cells == ["all", "20", *(by_class if by_column else []), "5", "1", "0"]


def test_a_record_has_its_owners_name():
    text = printed(5, 80)
    assert "left out: record JS2, it is cut short" in text
    assert "doubtful: record JS6, a lead is off" in text
