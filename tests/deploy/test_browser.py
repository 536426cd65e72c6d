"""The UI in a real browser: a member logs in, sorts, compares, opens a picture and the registry.

Pictures of each step are kept in ``$HEART_READER_SCREENSHOTS``, else in pytest's own folder.

Covers: nothing of ours alone: what MLflow's UI shows of a run.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.deploy.conftest import BACKBONES
from tests.deploy.running import Platform, User
from tests.tracking.processes import SECONDS

CHROMIUM = Path("/usr/bin/chromium")
MODEL = "heart-reader-se_resnet1d"
SORTED = "orderByKey=metrics.%60val%2Fmacro_auc%60&orderByAsc=false"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("HEART_READER_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def page(browser: Browser, platform: Platform, ada: User, trained: list[str]) -> Iterator[Page]:
    login = {"username": ada.name, "password": ada.password}
    context = browser.new_context(
        http_credentials=login, viewport={"width": 1600, "height": 1000}, base_url=platform.uri
    )
    opened = context.new_page()
    opened.set_default_timeout(1000 * SECONDS)
    expect.set_options(timeout=1000 * SECONDS)
    opened.goto("/#/experiments/1/runs")
    opened.get_by_text("Model training").first.click()
    yield opened
    context.close()


# Text and row of each link to a run in the table; its DOM isn't in the order that one sees.
LINKS = """() => [...document.querySelectorAll('.ag-row')].flatMap(row =>
    [...row.querySelectorAll('a')].filter(a => /runs\\/[0-9a-f]{32}$/.test(a.href))
        .map(a => [Number(row.getAttribute('row-index')), a.textContent]))"""


def names_in_order(page: Page) -> list[str]:
    """The names of the table's runs, from the top."""
    return [name for _, name in sorted(page.evaluate(LINKS))]


def test_without_a_login_the_browser_shows_nothing(browser: Browser, platform: Platform):
    context = browser.new_context(base_url=platform.uri)
    try:
        # Chromium shows the answer itself, or, where it would ask for a password, an error.
        answer = context.new_page().goto("/")
        assert answer is None or answer.status == 401
    except Error as error:
        assert "ERR_INVALID_AUTH_CREDENTIALS" in str(error)
    finally:
        context.close()


def test_runs_are_sorted_by_macro_auc(page: Page, ada: User, pictures: Path):
    page.get_by_text("Sort:").click()
    page.keyboard.type("val/macro")
    page.get_by_role("menuitemcheckbox", name="val/macro_auc", exact=True).click()
    expect(page.get_by_text("Sort: val/macro_auc")).to_be_visible()
    body = {"experiment_ids": ["1"], "order_by": ["metrics.`val/macro_auc` DESC"]}
    runs = ada.ask("POST", "api/2.0/mlflow/runs/search", body).json()["runs"]
    best = [run["info"]["run_name"] for run in runs[:3]]
    deadline = time.monotonic() + SECONDS
    while names_in_order(page)[:3] != best and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    assert names_in_order(page)[:3] == best
    page.screenshot(path=pictures / "1_runs.png")


def test_three_runs_are_compared_by_their_curves(page: Page, pictures: Path):
    for index in range(3):
        page.locator(f'.ag-row[row-index="{index}"] input[type=checkbox]').first.click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Comparing 3 Runs from 1 Experiment")).to_be_visible()
    for name in BACKBONES:
        expect(page.get_by_text(name).first).to_be_visible()
    page.screenshot(path=pictures / "2_compare.png")
    page.goto(f"/#/experiments/1/runs?{SORTED}&compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill("val/macro_auc$")
    page.wait_for_function(
        "document.querySelectorAll('.scatterlayer .trace .js-line').length >= 3"
    )
    page.screenshot(path=pictures / "3_curves.png")


def test_a_roc_picture_opens(page: Page, trained: list[str], pictures: Path):
    page.goto(f"/#/experiments/1/runs/{trained[0]}/artifacts/plots/roc.png")
    picture = page.locator("img[src*='roc.png'], img[src^='blob:']").first
    expect(picture).to_be_visible()
    page.wait_for_function(
        "[...document.querySelectorAll('img')].some(i => i.complete && i.naturalWidth > 300)"
    )
    page.screenshot(path=pictures / "4_roc.png")


def test_the_champion_is_found_in_the_registry(page: Page, ada: User, pictures: Path):
    body = {"name": MODEL, "alias": "champion", "version": "1"}
    assert ada.ask("POST", "api/2.0/mlflow/registered-models/alias", body).status_code == 200
    page.goto(f"/#/models/{MODEL}")
    expect(page.get_by_text("champion").first).to_be_visible()
    if page.get_by_role("dialog").count():  # MLflow tells first-time visitors of its registry
        page.get_by_role("dialog").get_by_text("Try it now").click()
    page.screenshot(path=pictures / "5_registry.png")
