"""Takes the pictures of docs/images from the UI of a store that was trained and synced.

python docs/screenshots.py --store mlflow.db --folder docs/images

It starts a server of its own on a free port, and ends it. It needs Chromium (`apt-get install
chromium`).
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from heart_reader.tracking.ui import SORTED

CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1400, "height": 860}
SECONDS = 120  # that a server may take to answer, and a page to draw
EXPERIMENT = "heart-reader"
MODEL = "heart-reader-se_resnet1d"


def main() -> None:
    """Reads the options, starts a server, takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("mlflow.db"))
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{options.store.absolute()}"
    with server(uri) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport=SIZE)
        page.set_default_timeout(SECONDS * 1000)
        for name, path in pages(uri).items():
            take(page, path, options.folder / f"{name}.png")
        browser.close()


def pages(uri: str) -> dict[str, str]:
    """Where each picture is taken."""
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        raise SystemExit(f"{uri} has no experiment {EXPERIMENT}: train first")
    order = ["metrics.`val/macro_auc` DESC"]
    runs = client.search_runs([found.experiment_id], "tags.backbone != ''", order_by=order)
    best = next(run.info.run_id for run in runs if "model" in run.data.tags)
    home = f"/#/experiments/{found.experiment_id}/runs"
    return {
        "runs": f"{home}?{SORTED}",
        "compare": f"{home}?{SORTED}&compareRunsMode=CHART",
        "plots": f"{home}/{best}/artifacts/plots/roc.png",
        "registry": f"/#/models/{MODEL}",
        "lineage": f"/#/models/{_shown(client)}/versions/1",
    }


def _shown(client: MlflowClient) -> str:
    """The model whose card is shown: the ensemble, where there is one."""
    names = {model.name for model in client.search_registered_models()}
    return "heart-reader-ensemble" if "heart-reader-ensemble" in names else MODEL


def take(page: Page, path: str, target: Path) -> None:
    """A picture of a page when nothing is loading any more."""
    page.goto("about:blank")  # the UI's pages differ behind the #, which loads nothing anew
    page.goto(path)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)  # charts are drawn after the last answer
    if page.get_by_role("dialog").count():  # what MLflow tells first-time visitors
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
    page.screenshot(path=target)
    Image.open(target).convert("RGB").quantize(128).save(target, optimize=True)
    print(target)


@contextmanager
def server(uri: str) -> Iterator[str]:
    """A light MLflow server, ended behind the block."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "heart_reader.tracking.ui", "--port", str(port)]
    process = subprocess.Popen(words, env=os.environ | {"MLFLOW_BACKEND_STORE_URI": uri})
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health")
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str) -> None:
    """Until it answers.

    Raises:
        SystemExit: it doesn't.
    """
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise SystemExit(f"{address} doesn't answer")


if __name__ == "__main__":
    main()
