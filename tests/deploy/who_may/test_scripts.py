"""Scripts that a member hides in the store, and an admin who looks at them in a real browser.

Covers: nothing of ours alone: what MLflow's UI lets through, which SECURITY.md says.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.deploy.running import Platform, User
from tests.deploy.test_browser import CHROMIUM
from tests.tracking.processes import SECONDS

API = "api/2.0/mlflow"
NAME = "scripts"
# As an admin, whose browser adds their login to each request to the same address.
STEAL = (
    "document.title='XSS';try{parent.document.title='XSS'}catch(e){};"
    "fetch('%s/api/2.0/mlflow/users/create',{method:'POST',credentials:'include',"
    "headers:{'Content-Type':'application/json'},"
    'body:JSON.stringify({username:"mallory",password:"long enough x"})})'
)
HIDDEN = '<img src=x onerror="{0}"><svg onload="{0}"><script>{0}</script>[a](javascript:{0})'


@pytest.fixture(scope="module")
def admins(platform: Platform) -> Iterator[Page]:
    """A page of a browser that has an admin's login."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    login = {"username": platform.admin.name, "password": platform.admin.password}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(http_credentials=login, base_url=platform.uri)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def run(people: dict[str, User], platform: Platform, trained: list[str]) -> str:
    """A member's run, and a model's version, with scripts wherever text may stand."""
    member = people["owner"]
    script = HIDDEN.format((STEAL % platform.uri).replace('"', "&quot;"))
    tags = [{"key": key, "value": script} for key in ("mlflow.note.content", "plain")]
    body = {"experiment_id": "1", "run_name": "<script>alert(1)</script>", "tags": tags}
    made = member.ask("POST", f"{API}/runs/create", body).json()["run"]["info"]["run_id"]
    page = f"<html><body>a page<script>{STEAL % platform.uri}</script></body></html>"
    path = f"api/2.0/mlflow-artifacts/artifacts/1/{made}/artifacts"
    for name in ("page.html", "picture.svg", "notes.md"):
        answer = member.ask("PUT", f"{path}/{name}", page)
        assert answer.status_code == 200, answer.text
    model = {"name": NAME, "description": script}
    assert member.ask("POST", f"{API}/registered-models/create", model).status_code == 200
    return made


def assert_harmless(admins: Page, people: dict[str, User]) -> None:
    """No script ran: neither is the title another one, nor is there a user."""
    admins.wait_for_timeout(1500)
    assert admins.title() != "XSS"
    answer = people["admin"].ask("GET", f"{API}/users/get?username=mallory")
    assert answer.status_code == 404, answer.text


def test_notes_and_tags_run_no_script(admins: Page, run: str, people: dict[str, User]):
    admins.goto(f"/#/experiments/1/runs/{run}")
    admins.get_by_text("Run ID").first.wait_for()
    assert_harmless(admins, people)


def test_a_models_description_runs_no_script(admins: Page, run: str, people: dict[str, User]):
    admins.goto(f"/#/models/{NAME}")
    admins.get_by_text(NAME).first.wait_for()
    assert_harmless(admins, people)


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "notes.md"])
def test_an_artifact_runs_no_script_that_reaches_the_server(
    admins: Page, run: str, people: dict[str, User], name: str
):
    admins.goto(f"/#/experiments/1/runs/{run}/artifacts/{name}")
    admins.get_by_text(name).first.wait_for()
    assert_harmless(admins, people)


@pytest.mark.parametrize("name", ["page.html", "picture.svg"])
def test_an_artifact_by_its_own_address_is_a_download(
    admins: Page, run: str, people: dict[str, User], name: str, tmp_path: Path
):
    """What a link in a mail may lead to."""
    with admins.expect_download() as download:
        address = f"/get-artifact?path={name}&run_uuid={run}"
        admins.evaluate("address => { window.location = address }", address)
    download.value.save_as(tmp_path / name)
    assert "a page" in (tmp_path / name).read_text()
    assert_harmless(admins, people)


def test_the_script_would_work_if_it_ran(admins: Page, run: str, people: dict[str, User]):
    """As one of the page's own: else the tests above would find nothing."""
    admins.goto(f"/#/experiments/1/runs/{run}")
    admins.evaluate(STEAL % "")
    admins.wait_for_timeout(1500)
    answer = people["admin"].ask("GET", f"{API}/users/get?username=mallory")
    assert answer.status_code == 200 and admins.title() == "XSS"
    assert people["admin"].ask("DELETE", f"{API}/users/delete", {"username": "mallory"}).ok
