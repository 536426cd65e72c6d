"""A page of a tiny model, and a real Chromium that opens it without a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser

from benchmarks.web_page import CHROMIUM, WebPage, chromium, web_page
from heart_reader.bundle.single import Bundle
from heart_reader.edge.device.folder import DeviceFile
from heart_reader.edge.device.reader import DeviceReader, open_device
from heart_reader.edge.formats.onnx_export import export_onnx
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.web.making import Shown, write_page
from heart_reader.edge.web.runtime import BrowserRuntime
from heart_reader.evaluation.bootstrap import Difference
from heart_reader.evaluation.trust.calibrator import AS_IT_IS, Calibrator, Curve
from heart_reader.evaluation.trust.sets import Limits
from tests.edge.bundles import fresh_bundle

SOURCE = {"name": "heart-reader-x", "version": "3", "synthetic": "true"}
CURVES = (
    Curve("platt", 0.6, 0.3, (), ()),
    AS_IT_IS,
    Curve("isotonic", 1, 0, (0.0, 0.3, 0.6, 1.0), (0.1, 0.2, 0.7, 0.9)),
    Curve("temperature", 1.4, 0.0, (), ()),
    AS_IT_IS,
)
LIMITS = Limits(0.1, (0.1, 0.1, 0.1, 0.9, float("nan")), (0.9, 0.9, 0.9, 0.1, float("nan")))


@pytest.fixture(scope="session")
def small() -> Bundle:
    """Of random weights, with a head that tells its inputs apart."""
    bundle = fresh_bundle("se_resnet1d")
    torch.nn.init.normal_(bundle.model.head[-1].weight, std=4.0)
    return bundle


def shown(bundle: Bundle, file: DeviceFile) -> Shown:
    nothing = Difference(-0.01, (-0.02, 0.0), (-0.03, 0.01), 0.2)
    return Shown(file, bundle, SOURCE, True, 0.9123, nothing, 2183)


@pytest.fixture(scope="session")
def device(small: Bundle, web_runtime: BrowserRuntime, tmp_path_factory) -> Path:
    """A device folder with a page, calibrated and with limits."""
    folder = tmp_path_factory.mktemp("page")
    model = folder / "heart_reader.signal.onnx"
    export_onnx(device_model(small, "signal"), model)
    file = DeviceFile(model, np.linspace(0.3, 0.7, 5), Calibrator(CURVES), LIMITS)
    (folder / "device").mkdir()
    (folder / "device" / "README.md").write_text("# A device\n")
    write_page(folder / "device", shown(small, file), web_runtime)
    return folder / "device"


@pytest.fixture(scope="session")
def reader(device: Path) -> DeviceReader:
    return open_device(device / "web" / "model" / "heart_reader.signal.onnx")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(browser: Browser, device: Path) -> Iterator[WebPage]:
    """Opened from the disk."""
    with web_page(browser, (device / "web" / "index.html").as_uri(), offline=True) as opened:
        yield opened


class Noting(SimpleHTTPRequestHandler):
    """Serves a folder, and notes what it is asked for."""

    def __init__(self, *words: Any, asked: list[str], **options: Any) -> None:
        self.asked = asked
        super().__init__(*words, **options)

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@contextmanager
def listening(asked: list[str], folder: Path = Path("/nowhere")) -> Iterator[str]:
    """The address of something on a server such as ``python -m http.server``."""
    handler = partial(Noting, asked=asked, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/x"
        server.shutdown()


@pytest.fixture
def served(device: Path) -> Iterator[str]:
    """The page's address on a server."""
    with listening([], device / "web") as address:
        yield address.replace("/x", "/index.html")
