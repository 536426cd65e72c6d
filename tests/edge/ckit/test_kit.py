"""The kit as an engineer uses it: make check, a damaged weight, a board, records of the demo.

Covers: heart_reader.edge.ckit.emit, heart_reader.edge.ckit.golden, heart_reader.edge.ckit.texts,
heart_reader.edge.ckit.facts, heart_reader.edge.ckit.program, heart_reader.edge.ckit.lowering.*,
heart_reader.edge.device.folder.
"""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from heart_reader.edge.ckit.graph import read_graph
from heart_reader.edge.ckit.kit import planned_for, write_kit
from heart_reader.edge.ckit.lowering.table import lowered
from heart_reader.edge.ckit.reference import reference_answers
from heart_reader.edge.ckit.rewrite import quantised_first
from heart_reader.edge.device.folder import DeviceFile, read_labels, write_device_folder
from heart_reader.edge.formats.tflite_metadata import metadata_of
from heart_reader.errors import ModelError
from tests.edge.ckit.conftest import made
from tests.edge.test_run import CONTRACT, SOURCE, THRESHOLDS

EXACT = "codes differ by at most 0 (allowed 1)"


def test_make_check_builds_strictly_and_every_code_is_the_reference_kernels(kit):
    done = made(kit, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXACT in done.stdout and "PASS" in done.stdout
    assert "-std=c99 -Wall -Wextra -Werror -pedantic" in done.stdout


def test_one_bit_of_one_weight_fails_the_check(kit, tmp_path):
    copy = shutil.copytree(kit, tmp_path / "c", ignore=shutil.ignore_patterns("build"))
    path = copy / "hr_model.c"
    text = path.read_text()
    found = re.search(r"weights\d+\[\d+\] = \{\n(-?\d+),", text)
    spoilt = str(int(found[1]) ^ 1)
    path.write_text(text[: found.start(1)] + spoilt + text[found.end(1) :])
    done = made(copy, "check")
    assert done.returncode != 0
    assert "FAIL: checksum of the constants" in done.stdout


def test_records_are_answered_as_the_reference_kernels_answer_them(kit, tflite, raw):
    """By the program for computers with files, features missing as they come."""
    signal, features = raw
    mask = np.isfinite(features).astype(np.float32)
    feed = {
        "signal": signal,
        "features": np.where(mask > 0, features, 0).astype(np.float32),
        "mask": mask,
    }
    graph = read_graph(tflite["int8"])
    program = lowered(quantised_first(graph), tflite["int8"])
    expected = reference_answers(tflite["int8"], graph, program.last_codes, feed)
    # What isn't measured may be anything for C.
    feed["features"] = np.where(mask > 0, features, np.nan).astype(np.float32)
    n = len(signal)
    records = np.concatenate([values.reshape(n, -1) for values in feed.values()], axis=1)
    assert made(kit, "build/host").returncode == 0
    command = [str(kit / "build" / "host"), "run"]
    done = subprocess.run(command, input=records.tobytes(), capture_output=True, check=True)
    row = np.dtype([("codes", "i1", expected.codes.shape[1]), ("p", "<f4", 5)])
    answers = np.frombuffer(done.stdout, row)
    np.testing.assert_array_equal(answers["codes"], expected.codes)
    np.testing.assert_allclose(answers["p"], expected.probabilities, atol=1e-6)
    assert len(np.unique(expected.codes, axis=0)) == n > 10


def test_the_example_reads_a_csv_file_at_another_rate(kit, raw, tmp_path):
    made(kit, "build/example")
    at_200 = np.repeat(raw[0][0].T, 2, axis=0)  # (2000, 12)
    lines = "\n".join(",".join(f"{x:.4f}" for x in row) for row in at_200)
    command = [str(kit / "build" / "example"), "200"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(CONTRACT[0].classes)
    short = subprocess.run(command, input="1,2,3", capture_output=True, text=True, check=False)
    assert (short.returncode, short.stdout) == (1, "no ECG of such a rate\n")


def test_the_size_for_a_microcontroller_and_a_board_that_is_too_small(kit, device):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no arm-none-eabi-gcc")
    done = made(kit, "size")
    assert done.returncode == 0, done.stderr
    flash, ram = map(int, re.findall(r"flash (\d+) bytes, static RAM (\d+)", done.stdout)[0])
    told = json.loads((device / "labels.json").read_text())["c_kit"]
    assert told["constant_bytes"] < flash < told["constant_bytes"] + 20_000
    assert told["arena_bytes"] <= ram < told["arena_bytes"] + 2_000
    small = made(kit, "size", f"FLASH={flash - 1}", f"RAM={ram}")
    assert small.returncode != 0 and "DOES NOT FIT: flash" in small.stdout
    assert "RAM has" not in small.stdout


def test_the_golden_vectors_on_an_emulated_cortex_m4(kit):
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm and arm-none-eabi-gcc")
    done = made(kit, "qemu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXACT in done.stdout and "PASS" in done.stdout


# ---------------------------------------------------------------- the folder


def test_the_folder_tells_of_its_kit(device, tflite, kit):
    labels = json.loads((device / "labels.json").read_text())
    inside = metadata_of((device / tflite["int8"].name).read_bytes())
    assert inside["leads"] == labels["leads"] and inside["unit"] == "mV"
    assert inside["thresholds"] == labels["files"][tflite["int8"].name]["thresholds"]
    told = labels["c_kit"]
    assert (told["folder"], told["source"]) == ("c", tflite["int8"].name)
    assert told["operators"]["CONV_2D"] > 3
    assert f"`c/` holds `{tflite['int8'].name}`" in (device / "README.md").read_text()
    text = (kit / "README.md").read_text()
    assert f"| arena (RAM, static) | {told['arena_bytes']:,} |" in text
    assert read_labels(device / tflite["int8"].name).thresholds.tolist() == THRESHOLDS.tolist()


def test_a_folder_without_its_source_says_why_there_is_no_kit(signal_onnx, tmp_path):
    folder = tmp_path / "device"
    files = [DeviceFile(signal_onnx, THRESHOLDS)]
    write_device_folder(folder, files, None, SOURCE, *CONTRACT, c_kit=True)
    tree = json.loads((folder / "labels.json").read_text())
    assert tree["left_out"]["c"].startswith("it is made from the file *.int8.tflite")
    assert not (folder / "c").exists() and "c_kit" not in tree
    assert "Left out: `c`" in (folder / "README.md").read_text()


def test_a_network_in_float32_is_refused_before_anything_is_written(tflite, tmp_path, bundle):
    with pytest.raises(ModelError, match=r"fp32.tflite can't become C: .*"):
        write_kit(tmp_path / "c", tflite["fp32"], None, bundle.encoder, False)
    assert not (tmp_path / "c").exists()


def test_an_operator_that_the_kit_lacks_is_named(tflite):
    graph = quantised_first(read_graph(tflite["int8"]))
    strange = [*graph.operators]
    strange[-1] = type(strange[-1])("GELU", strange[-1].inputs, strange[-1].outputs, None)
    other = type(graph)(graph.tensors, strange, graph.inputs, graph.output)
    with pytest.raises(ModelError, match="can't become C: the kit has no GELU; it has ADD, "):
        lowered(other, tflite["int8"])


def test_the_arena_is_smaller_than_all_its_tensors(tflite):
    graph = quantised_first(read_graph(tflite["int8"]))
    program = lowered(graph, tflite["int8"])
    plan = planned_for(program, graph)
    whole = sum(graph.tensors[step.out].n_bytes for step in program.steps)
    largest = max(block.n_bytes for block in plan.blocks)
    assert largest < plan.n_bytes < 0.5 * whole
