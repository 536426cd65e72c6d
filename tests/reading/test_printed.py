"""The table on the terminal: few classes as columns, of many the ones that matter.

Covers: heart_reader.reading.printed.
"""

import pytest

from heart_reader.reading.printed import print_findings
from heart_reader.reading.records import Refused

MEASURED = ("rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_fridericia_ms", "qtc_bazett_ms",
            "qrs_axis_degrees")  # fmt: skip


def finding(probabilities: dict[str, float | None], labels: list[str]) -> dict[str, object]:
    return {
        "record": "folder/a.hea",
        "quality": "good",
        "quality_reasons": [],
        "calibrated": False,
        "uncertain": [],
        "novelty": None,
        "labels": labels,
        "probabilities": probabilities,
        "thresholds": dict.fromkeys(probabilities, 0.5),
        "measurements": dict.fromkeys(MEASURED),
        "notes": [],
    }


def table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args) -> str:
    monkeypatch.setenv("COLUMNS", "160")
    print_findings(*args)
    return capsys.readouterr().out


def test_of_71_classes_the_present_and_the_likeliest_are_shown(capsys, monkeypatch):
    said: dict[str, float | None] = {f"C{k:02d}": k / 1000 for k in range(70)}
    said["PRC(S)"] = 0.9
    out = table(
        capsys, monkeypatch, "m", [finding(said, ["PRC(S)"])], [Refused("b.hea", "it is empty")]
    )
    lines = [line for line in out.splitlines() if "a.hea" in line]
    shown = [line.split("│")[2].strip() for line in lines if line.count("│") == 6]
    assert shown == ["PRC(S)", "C69", "C68"]
    assert "the 3 likeliest, of 71; all are in --json" in out
    assert any("b.hea" in line and "refused" in line for line in out.splitlines())


def test_an_unusable_record_of_many_classes_has_one_row(capsys, monkeypatch):
    out = table(capsys, monkeypatch, "m", [finding(dict.fromkeys(map(str, range(20))), [])], [])
    rows = [line for line in out.splitlines() if "a.hea" in line and line.count("│") == 6]
    assert len(rows) == 1


def test_five_classes_are_columns(capsys, monkeypatch):
    said: dict[str, float | None] = dict.fromkeys(("NORM", "MI", "STTC", "CD", "HYP"), 0.25)
    out = table(capsys, monkeypatch, "m", [finding(said, [])], [])
    (row,) = [line for line in out.splitlines() if "a.hea" in line and "0.250" in line]
    assert row.count("0.250") == 5


def test_an_answer_that_isnt_sure_is_said(capsys, monkeypatch):
    unsure = {**finding({"NORM": 0.2, "MI": 0.5}, ["MI"]), "uncertain": ["MI"]}
    assert "folder/a.hea: uncertain: MI" in table(capsys, monkeypatch, "m", [unsure], [])
