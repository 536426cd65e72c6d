"""The page in a real Chromium: what Python says it says, and nothing leaves it.

Covers: heart_reader.edge.web.page, heart_reader.edge.web.samples.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import wfdb
from playwright.sync_api import Browser, expect

from benchmarks.ecg_files.truth import truth_of
from benchmarks.ecg_files.writers import WRITERS
from benchmarks.web_page import FAMILIES, by_python, difference, pair, web_page
from heart_reader.data.ptbxl import LEADS
from heart_reader.edge.web.page import LARGEST
from tests.edge.web.conftest import listening

NEAR = 1e-3  # of a probability; on real records it is 1e-6


@pytest.fixture(scope="module")
def headers(demo_root: Path) -> list[Path]:
    return sorted(demo_root.glob("records100/**/*.hea"))[:3]


def write_record(folder: Path, name: str, signal: np.ndarray, fs: int, **options: object) -> Path:
    """A WFDB record of some leads by name, (n_times, n_leads) in mV; its header."""
    leads = options.pop("leads", list(LEADS))
    n = len(leads)
    wfdb.wrsamp(
        name, fs=fs, units=["mV"] * n, sig_name=leads, p_signal=signal, write_dir=str(folder),
        fmt=[options.pop("fmt", "16")] * n, **options,
    )  # fmt: skip
    return folder / f"{name}.hea"


def assert_same(page, reader, files: list[Path], rate: float | None = None) -> dict:
    """The page and Python agree on a file; what they say."""
    said = page.choose(files, rate)
    ours = by_python(reader, files[0].with_suffix("") if len(files) > 1 else files[0], rate)
    gap, others = difference(said, ours)
    assert gap <= NEAR and others == [] and "refused" not in said
    assert set(said["notes"]) >= {note for note in ours["notes"] if "resampled" in note}
    return said


# ---------------------------------------------------------------- as Python says it


def test_records_from_the_disk_get_the_answer_of_python(page, reader, headers):
    for header in headers:
        assert_same(page, reader, pair(header))
    assert page.requests == [page.page.url]


def test_a_server_gives_the_same_page_and_is_asked_for_nothing_else(
    browser, served, reader, headers
):
    with web_page(browser, served, offline=False) as page:
        assert_same(page, reader, pair(headers[0]))
        assert page.requests == [served]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_files(page, reader, headers, family, tmp_path):
    signal = wfdb.rdsamp(str(headers[0])[:-4])[0].T
    path = WRITERS[family](tmp_path, truth_of(signal, 100))
    files = [*path.parent.glob("*.hea"), *path.parent.glob("*.dat")]
    assert_same(page, reader, files if family == "WFDB" else [path])


def test_format_212_at_another_rate_longer_and_with_leads_to_compute(
    page, reader, headers, tmp_path
):
    signal = wfdb.rdsamp(str(headers[0])[:-4])[0]
    long = np.repeat(np.concatenate([signal, signal[::-1]]), 3, axis=0)  # 20 s at 300 Hz
    kept = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
    header = write_record(
        tmp_path, "long", long[:, kept], 300, leads=[LEADS[k] for k in kept], fmt="212"
    )
    said = assert_same(page, reader, pair(header))
    assert "the mean of 2 windows of 10 s" in said["notes"]
    assert "III, aVR, aVL, aVF computed from the other limb leads" in said["notes"]


def test_a_csv_file_asks_for_its_rate_and_takes_it(page, reader, headers, tmp_path):
    signal = wfdb.rdsamp(str(headers[1])[:-4])[0]
    path = tmp_path / "ecg.csv"
    np.savetxt(path, signal * 1000, delimiter=",", header=",".join(LEADS), comments="", fmt="%.0f")
    assert "doesn't say its sampling rate" in page.choose([path])["refused"]
    assert page.page.locator("#rate").evaluate("field => field === document.activeElement")
    said = assert_same(page, reader, [path], 100)
    assert any("taken as uV" in note for note in said["notes"])


def test_what_python_calls_unusable_gets_no_answer(page, reader, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.3, (1000, 12))
    header = write_record(tmp_path, "noise", noise, 100)
    said = page.choose(pair(header))
    assert by_python(reader, header.with_suffix(""))["quality"] == said["quality"] == "unusable"
    assert said["probabilities"] == {}
    expect(page.page.locator("#summary")).to_contain_text("No findings are given")


def test_limits_mark_what_is_uncertain(page, headers):
    """By the fixture's: of CD what lies between, of HYP nobody knows."""
    for header in headers:
        said = page.choose(pair(header))
        assert ("CD" in said["uncertain"]) == (0.1 < said["probabilities"]["CD"] < 0.9)
        assert "HYP" not in said["uncertain"]


# ---------------------------------------------------------------- what can't be read


def broken(folder: Path, header: Path) -> dict[str, list[Path]]:
    signal = wfdb.rdsamp(str(header)[:-4])[0]
    cut = write_record(folder, "cut", signal, 100)
    cut.with_suffix(".dat").write_bytes(cut.with_suffix(".dat").read_bytes()[:5000])
    few = write_record(folder, "few", signal[:, :2], 100, leads=["I", "V1"])
    changed = write_record(folder, "changed", signal, 100)
    content = bytearray(changed.with_suffix(".dat").read_bytes())
    content[100] ^= 1
    changed.with_suffix(".dat").write_bytes(content)
    (folder / "text.json").write_text('{"fs": 100, "signal": [[1, 2')
    (folder / "words.txt").write_text("nothing of an ECG")
    (folder / "bits.bin").write_bytes(bytes(range(256)))
    names = json.dumps({"fs": 100, "unit": "mV", "leads": ["A", "B"], "signal": [[1] * 999] * 2})
    (folder / "names.json").write_text(names)
    return {
        "cut is cut short": pair(cut),
        "but lacks II": pair(few),
        "the signal file or the header was changed": pair(changed),
        "choose header and signal file together": [changed],
        "choose its WFDB header": [changed.with_suffix(".dat")],
        "can't be read as JSON": [folder / "text.json"],
        "it is none of WFDB": [folder / "words.txt"],
        "bits.bin can't be read": [folder / "bits.bin"],
        "it has A, B": [folder / "names.json"],
    }


def test_a_broken_file_gets_a_sentence_and_the_next_one_is_read(page, reader, headers, tmp_path):
    for words, files in broken(tmp_path, headers[0]).items():
        said = page.choose(files)
        assert words in said.get("refused", "")
        expect(page.page.locator("#result")).to_be_hidden()
    assert_same(page, reader, pair(headers[0]))


# ---------------------------------------------------------------- nothing leaves


TRIED = """async ([what, address]) => {
    const seen = new Promise((done) => {
        document.addEventListener("securitypolicyviolation",
            (event) => done(event.effectiveDirective), {once: true});
        setTimeout(() => done("allowed"), 800);
    });
    what === "fetch" ? fetch(address, {mode: "no-cors"}).catch(() => {})
        : what === "image" ? (new Image().src = address)
        : document.body.append(Object.assign(document.createElement("script"), {text: "1"}));
    return seen;
}"""


def tried(browser: Browser, address: str, listening: str, ways: list[str]) -> list[str]:
    """What a page with a network is told of each way out."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        return [page.evaluate(TRIED, [way, listening]) for way in ways]


def test_the_page_itself_forbids_every_request(browser, device, tmp_path):
    """By its policy, where a server listens; a page without one reaches it."""
    asked: list[str] = []
    free = tmp_path / "free.html"
    free.write_text("<!doctype html><title>free</title>")
    with listening(asked) as address:
        page = (device / "web/index.html").as_uri()
        told = tried(browser, page, address, ["fetch", "image", "script"])
        assert told == ["connect-src", "img-src", "script-src-elem"] and asked == []
        assert tried(browser, free.as_uri(), address, ["fetch"]) == ["allowed"]
        assert set(asked) == {"/x"}


def test_the_file_is_whole_and_small(device):
    text = (device / "web" / "index.html").read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST == 12e6
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy and "connect-src 'none'" in policy
    assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"'](?!data:)", text) == []


# ---------------------------------------------------------------- who reads it


def test_a_sample_by_the_keyboard_and_what_a_screen_reader_hears(page):
    page.page.get_by_role("button", name="left bundle branch block").focus()
    page.page.keyboard.press("Enter")
    heading = page.page.get_by_role("heading", name="Synthetic sample: left bundle branch block")
    expect(heading).to_be_focused()
    picture = page.page.get_by_role("img", name=re.compile("ECG of the leads I, II, III, aVR"))
    expect(picture).to_have_accessible_name(re.compile("25 mm/s, 10 mm/mV, 100 Hz"))
    table = page.page.get_by_role("table", name="What the model says")
    expect(table.get_by_role("row")).to_have_count(6)
    expect(table.get_by_role("rowheader", name="myocardial infarction")).to_be_visible()
    for label in ("Choose files", "Sampling rate in Hz", "Unit", "Leads"):
        assert page.page.get_by_label(re.compile(label)).count() == 1
    expect(page.page.get_by_text("drawn by a program, of no person")).to_be_visible()
    expect(page.page.locator("#warning")).to_contain_text("Not a medical device")
    expect(page.page.locator("#warning")).to_contain_text("SYNTHETIC")


def test_the_paper_is_to_scale(page, headers):
    """Lead I's R peak of the 3x4 sheet: 25 mm a second, 10 mm a millivolt."""
    page.choose(pair(headers[0]))
    path = page.page.locator('path.trace[data-lead="I"]').get_attribute("d")
    x, y = np.array([point.split(" ") for point in path[1:].split("L")], float).T
    lead = wfdb.rdsamp(str(headers[0])[:-4])[0][:250, 0]
    np.testing.assert_allclose(x, 15 + np.arange(250) / 100 * 25, atol=0.01)
    np.testing.assert_allclose(y.max() - y, 10 * (lead - lead.min()), atol=0.02)
    pulse = page.page.locator("path.pulse").first.get_attribute("d")
    _, level, top = map(float, re.match(r"M4 ([\d.]+)()H5V([\d.]+)", pulse).group(1, 1, 3))
    assert level - top == pytest.approx(10)
    expect(page.page.locator("text.scale")).to_have_text("25 mm/s, 10 mm/mV, 100 Hz")


def test_a_print_of_the_usual_sheet_is_one_page_and_of_taller_ones_two(page):
    page.page.get_by_role("button", name="left ventricular hypertrophy").click()
    expect(page.page.get_by_role("heading", name="left ventricular hypertrophy")).to_be_visible()
    for layout, n_pages in (("3x4", 1), ("6x2", 2), ("12x1", 2)):
        page.page.select_option("#layout", layout)
        printed = page.page.pdf(format="A4", landscape=True, prefer_css_page_size=False)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == n_pages, layout
