"""Takes the pictures of docs/images: pages of the UI, and terminals with what a tour printed.

python docs/screenshots.py --store mlflow.db            # of a store that was trained and synced
python docs/screenshots.py --tour /tmp/tour             # of what docs/tour.py did there
python docs/screenshots.py --tour /tmp/tour --only runs,serve

It starts a server of its own on a free port, and ends it. It needs Chromium (`apt-get install
chromium`).
"""

import argparse
import html
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from waiting import wait_for

from heart_reader.tracking.ui import SHARED, SORTED, TRAINING_VIEW

REPOSITORY = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
WIDE, HIGH = 1400, 860
HIGHER = {"plots": 1180, "lineage": 1000}
CHARTS = "Search metric charts"  # in an empty field of the page
TRAINED = "searchFilter=metrics.%60n_parameters%60+%3E+0"  # only trainings say how many
SECONDS = 120  # that a server may take to answer, and a page to draw
DRAWN = 4  # seconds for charts, behind the last text
EXPERIMENT = "heart-reader"
MODEL, ENSEMBLE = "heart-reader-se_resnet1d", "heart-reader-ensemble"
LINES = 30  # of a terminal
# MLflow opens a chat beside the first page that somebody visits.
NO_CHAT = """localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"""
TERMINAL = """<body style="margin:0;background:#fff"><div style="display:inline-block;
min-width:900px;background:#1d1f27;color:#e6e6e6;
border-radius:8px;padding:14px 20px 18px">
<div style="font:13px sans-serif;color:#9aa0ad;padding-bottom:10px">{title}</div>
<pre style="font:13px/1.35 'DejaVu Sans Mono',monospace;margin:0;white-space:pre">{text}</pre>
</div></body>"""


def main() -> None:
    """Reads the options, starts a server, takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("mlflow.db"))
    parser.add_argument("--tour", type=Path, help="the folder of docs/tour.py, and its store")
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", default="", help="names of pictures, with commas")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    only = set(filter(None, options.only.split(",")))
    store = options.tour / "heart-reader" / "mlflow.db" if options.tour else options.store
    uri = f"sqlite:///{store.absolute()}"
    with server(uri) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport={"width": WIDE, "height": HIGH})
        page.set_default_timeout(SECONDS * 1000)
        page.add_init_script(NO_CHAT)
        for name, (path, text) in pages(uri).items():
            if not only or name in only:
                page.set_viewport_size({"width": WIDE, "height": HIGHER.get(name, HIGH)})
                take(page, path, text, options.folder / f"{name}.png")
        for name, content in terminals(options.tour).items() if options.tour else ():
            if not only or name in only:
                page.set_viewport_size({"width": 2 * WIDE, "height": HIGH})
                page.set_content(content)
                page.locator("div").first.screenshot(path=options.folder / f"{name}.png")
                smaller(options.folder / f"{name}.png")
        browser.close()


# ---------------------------------------------------------------- the UI


def pages(uri: str) -> dict[str, tuple[str, str]]:
    """Where each picture is taken, and a text that stands there when it is drawn."""
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        raise SystemExit(f"{uri} has no experiment {EXPERIMENT}: train first")
    order = ["metrics.`val/macro_auc` DESC"]
    runs = client.search_runs([found.experiment_id], "tags.backbone != ''", order_by=order)
    registered = [run.info.run_id for run in runs if "model" in run.data.tags]
    if not registered:
        raise SystemExit(f"experiment {EXPERIMENT} of {uri} has no trained model")
    best = registered[0]
    home = f"/#/experiments/{found.experiment_id}/runs"
    view = f"{home}?{SHARED}=models&{TRAINING_VIEW}"
    return {
        "runs": (view, "matching runs"),
        "compare": (
            f"{home}?{TRAINED}&{SORTED}&compareRunsMode=CHART",
            CHARTS,
        ),
        "plots": (f"{home}/{best}/artifacts/plots/roc.png?{TRAINING_VIEW}", "classes.csv"),
        "registry": (f"/#/models?{TRAINING_VIEW}", MODEL),
        "lineage": (f"/#/models/{_shown(client)}/versions/1?{TRAINING_VIEW}", "Lineage"),
    }


def _shown(client: MlflowClient) -> str:
    """The model whose card is shown: the ensemble, where there is one."""
    names = {model.name for model in client.search_registered_models()}
    return ENSEMBLE if ENSEMBLE in names else MODEL


def take(page: Page, path: str, text: str, target: Path) -> None:
    """A picture of a page when it is drawn.

    Args:
        page: of the browser.
        path: on the server.
        text: that stands there then.
        target: where the picture goes.
    """
    page.goto("about:blank")  # the UI's pages differ behind the #, which loads nothing anew
    page.goto(path, wait_until="domcontentloaded")
    page.get_by_text(text).or_(page.get_by_placeholder(text)).first.wait_for()
    if text == CHARTS:
        page.get_by_placeholder(text).fill("macro_auc")
    page.wait_for_timeout(DRAWN * 1000)
    if page.get_by_role("dialog").count():  # what MLflow tells first-time visitors
        page.keyboard.press("Escape")
        page.wait_for_timeout(1000)
    for path_on_disk in page.get_by_text("Path:").all():  # says where this machine's files are
        path_on_disk.evaluate("element => { element.style.visibility = 'hidden' }")
    page.screenshot(path=target)
    smaller(target)


def smaller(path: Path) -> None:
    """128 colours are enough."""
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


# ---------------------------------------------------------------- terminals


def terminals(folder: Path) -> dict[str, str]:
    """A page for each step of a tour."""
    text = (folder / "tour.json").read_text(encoding="utf-8")
    for path, shown in ((folder.absolute(), "~"), (REPOSITORY, "heart-reader.git")):
        text = text.replace(str(path), shown)
    steps = json.loads(text)
    return {f"tour_{name}": terminal(done) for name, done in steps.items()}


def terminal(done: list[dict[str, str | float]]) -> str:
    """The commands of a step with the end of what each said, and how long they took."""
    seconds = sum(float(each["seconds"]) for each in done)
    text = "\n".join(
        f"$ {each['command']}\n{ending(str(each['said']), LINES // len(done))}\n" for each in done
    )
    return TERMINAL.format(title=f"took {in_words(seconds)}", text=html.escape(text))


def ending(said: str, n_lines: int) -> str:
    """The last lines; of JSON, as people write it."""
    if said.startswith("{"):
        said = json.dumps(json.loads(said), indent=2)
    lines = [line for line in re.sub(r"[^\n]*\r", "", said).splitlines() if line.strip()]
    cut = ["..."] if len(lines) > n_lines else []
    return "\n".join([*cut, *lines[-n_lines:]])


def in_words(seconds: float) -> str:
    """A time as one says it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# ---------------------------------------------------------------- the server


@contextmanager
def server(uri: str) -> Iterator[str]:
    """A light MLflow server, ended behind the block."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "heart_reader.tracking.ui", "--port", str(port)]
    process = subprocess.Popen(
        words, env=os.environ | {"MLFLOW_BACKEND_STORE_URI": uri}, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health", SECONDS)
        yield address
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
