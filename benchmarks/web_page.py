"""The web page of an export against Python on real records, in a real Chromium without a network.

python -m benchmarks.web_page DEVICE --data PTBXL [--records 200] [--families 5] [--shots FOLDER]

DEVICE is a device folder with a page. Records of folds 8 and 9 go into the page as WFDB pairs, and
through `heart_reader.edge.device.reader`; some are written again in every family of files that the
page reads. Printed are the largest differences of a probability, labels and qualities that differ,
and the requests that the browser made.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import wfdb
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from benchmarks.ecg_files.truth import truth_of
from benchmarks.ecg_files.writers import WRITERS
from heart_reader.data.ptbxl import load_metadata
from heart_reader.edge.device.reader import DeviceReader, open_device
from heart_reader.reading.read import Refused, read_files
from heart_reader.reading.records import findings_of, recorded_of

CHROMIUM = Path("/usr/bin/chromium")
FAMILIES = ("WFDB", "CSV", "JSON", "GE MUSE XML")  # of `WRITERS`
SECONDS = 60


@dataclass
class WebPage:
    """A page that is open.

    Attributes:
        page: in the browser.
        requests: every address that was asked for, the page's own first.
    """

    page: Page
    requests: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """Waits until it is ready; whatever isn't of that address is cut off."""
        self.page.on("request", self._note)
        self.page.route(lambda url: url != address, lambda route: _cut(route))
        self.page.goto(address)
        self.page.get_by_text("Ready: choose an ECG.").wait_for(timeout=1000 * SECONDS)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    def choose(self, files: Sequence[Path], rate: float | None = None) -> dict[str, Any]:
        """What the page says of files that are chosen together."""
        self.page.locator("#options").evaluate("details => details.open = true")
        self.page.locator("#rate").fill("" if rate is None else f"{rate:g}")
        self.page.locator("#file").set_input_files([str(path) for path in files])
        return self.said()

    def said(self) -> dict[str, Any]:
        """Of the record that is being read: as `reading.records.finding`, or ``refused``."""
        self.page.locator("#record:visible, #error:visible").first.wait_for(timeout=1000 * SECONDS)
        if self.page.locator("#error").is_visible():
            return {"refused": self.page.locator("#error").text_content()}
        rows = self.page.locator("tr[data-class]").evaluate_all(
            "rows => rows.map(row => [row.dataset.class, Number(row.dataset.probability), "
            "row.className === 'present', row.querySelector('.uncertain') !== null])"
        )
        return {
            "quality": self.page.locator("#summary").get_attribute("class"),
            "probabilities": {name: p for name, p, _, _ in rows},
            "labels": [name for name, _, present, _ in rows if present],
            "uncertain": [name for name, _, _, unsure in rows if unsure],
            "notes": self.page.locator("#notes li").all_text_contents(),
        }


def _cut(route: Route) -> None:
    route.abort()


@contextmanager
def chromium() -> Iterator[Browser]:
    """One that is closed in the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def web_page(browser: Browser, address: str, offline: bool) -> Iterator[WebPage]:
    """A page in a window of its own, with or without a network."""
    with browser.new_context(offline=offline) as context:
        opened = WebPage(context.new_page())
        opened.open(address)
        yield opened


def by_python(reader: DeviceReader, path: Path, rate: float | None = None) -> dict[str, Any]:
    """What Python says of a file with the same model."""
    options = SimpleNamespace(fs=rate, unit=None, gain=None, age=None, sex=None)
    read = read_files([str(path)], options, reader.spec)  # type: ignore[arg-type]
    if isinstance(read[0], Refused):
        return {"refused": read[0].reason}
    recorded = recorded_of(read, reader.spec)
    said = recorded.means(reader.predict(recorded.signals, None))
    return findings_of(reader, recorded, said)[0]


def difference(page: dict[str, Any], python: dict[str, Any]) -> tuple[float, list[str]]:
    """The largest of a probability, and what else differs."""
    if "refused" in page or "refused" in python:
        both = "refused" in page and "refused" in python
        return 0.0, [] if both else [str(page.get("refused") or python.get("refused"))]
    others = [
        f"{key}: {page[key]} and {python[key]}"
        for key in ("quality", "labels", "uncertain")
        if sorted(page[key]) != sorted(python[key])
    ]
    ours = python["probabilities"]
    named = [(p, ours[name]) for name, p in page["probabilities"].items()]
    return max((abs(p - own) for p, own in named if own is not None), default=0.0), others


def pair(header: Path) -> list[Path]:
    """A WFDB header and its signal file."""
    return [header, header.with_suffix(".dat")]


def some_headers(root: Path, n: int) -> list[Path]:
    """Of folds 8 and 9, spread over them."""
    metadata = load_metadata(root)
    names = metadata.loc[metadata["strat_fold"].isin((8, 9)), "filename_lr"]
    chosen = np.linspace(0, len(names) - 1, min(n, len(names))).astype(int)
    return [root / f"{names.iloc[k]}.hea" for k in chosen]


def compare_records(page: WebPage, reader: DeviceReader, headers: Sequence[Path]) -> None:
    """Prints how far the page is from Python."""
    worst, odd, seconds = 0.0, [], []
    for header in headers:
        started = time.perf_counter()
        said = page.choose(pair(header))
        seconds.append(time.perf_counter() - started)
        gap, others = difference(said, by_python(reader, header.with_suffix("")))
        worst = max(worst, gap)
        odd += [f"{header.stem}: {each}" for each in others]
    print(f"{len(headers)} records: largest difference of a probability {worst:.2g}, "
          f"{len(odd)} other differences, {np.median(seconds):.2f} s a record")  # fmt: skip
    print("\n".join(odd[:10]))


def compare_families(page: WebPage, reader: DeviceReader, headers: Sequence[Path]) -> None:
    """Prints the same for files of each family, written at 500 Hz."""
    for family in FAMILIES:
        worst, odd = 0.0, []
        for header in headers:
            signal, fields = wfdb.rdsamp(str(header.with_suffix("")))
            with tempfile.TemporaryDirectory() as folder:
                path = WRITERS[family](Path(folder), truth_of(signal.T, int(fields["fs"])))
                files = sorted(path.parent.glob(f"{path.stem}.*")) if family == "WFDB" else [path]
                gap, others = difference(page.choose(files), by_python(reader, path))
            worst, odd = max(worst, gap), [*odd, *others]
        print(f"{family}: {len(headers)} files, largest difference {worst:.2g}; {odd[:2]}")


def main() -> None:
    """Prints the lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web_page", description=__doc__)
    parser.add_argument("device", type=Path, help="device folder with a page")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL")
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--families", type=int, default=5, help="records in each family of files")
    parser.add_argument("--shots", type=Path, help="where pictures of three records go")
    options = parser.parse_args()
    index = options.device / "web" / "index.html"
    reader = open_device(next((options.device / "web" / "model").glob("*.onnx")))
    headers = some_headers(options.data, options.records)
    address = index.resolve().as_uri()
    with chromium() as browser, web_page(browser, address, offline=True) as page:
        compare_records(page, reader, headers)
        compare_families(page, reader, headers[: options.families])
        for header in headers[:3] if options.shots else []:
            page.choose(pair(header))
            page.page.screenshot(path=options.shots / f"{header.stem}.png", full_page=True)
        print(f"{index.stat().st_size / 1e6:.1f} MB; requests: {', '.join(page.requests)}")


if __name__ == "__main__":
    main()
