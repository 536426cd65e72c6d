"""The page's modules: together they are one script, and they compute as scipy and numpy do."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.signal import find_peaks, resample_poly

from heart_reader.data.formats.lead_names import lead_of
from heart_reader.data.formats.units import unit_of
from heart_reader.edge.web.scripts import ASSETS, classic, one_script
from heart_reader.errors import ModelError

MODULES = sorted(ASSETS.rglob("*.js"))
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on this machine")


def node(code: str) -> object:
    """What a module of ours says, as JSON."""
    command = [str(NODE), "--no-warnings", "--input-type=module", "-e", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of(module: str, names: str, call: str, before: str = "") -> object:
    """What a call of some exports of a module gives."""
    path = json.dumps((ASSETS / module).as_uri())
    text = f"import {{ {names} }} from {path}; {before}console.log(JSON.stringify({call}));"
    return node(text)


def row_of(x: np.ndarray) -> str:
    return f"Float64Array.from({x.tolist()})"


# ---------------------------------------------------------------- one script


@needs_node
def test_the_script_of_all_modules_parses(tmp_path):
    (tmp_path / "one.js").write_text(one_script())
    command = [str(NODE), "--check", str(tmp_path / "one.js")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_script_holds_every_module_once_and_files_are_short():
    script = one_script()
    for path in MODULES:
        assert script.count(f"const {path.parent.name}_{path.stem} = (() =>") == 1
        assert len(path.read_text().splitlines()) < 300


def written(folder: Path, **modules: str) -> Path:
    (folder / "page").mkdir()
    for name, text in modules.items():
        (folder / "page" / f"{name}.js").write_text(text)
    return folder / "page" / "main.js"


@needs_node
def test_names_of_two_modules_may_be_the_same(tmp_path):
    entry = written(
        tmp_path,
        main='import { give } from "./other.js";\nconst X = 1;\nconsole.log(X + give());\n',
        other="const X = 40;\nexport function give() { return X + 1; }\n",
    )
    assert node(one_script(entry)) == 42


@pytest.mark.parametrize(
    ("main", "other", "words"),
    [
        ('import { b } from "./other.js";\n', "export const a = 1;\n", "doesn't export b"),
        ('import { a } from "./other.js";\n',
         'import { x } from "./main.js";\nexport const a = 1;\n', "imports itself"),
        ('import * as all from "./other.js";\n', "", "in words that this doesn't read"),
        ("export default 1;\n", "", "in words that this doesn't read"),
    ],
)  # fmt: skip
def test_what_can_not_be_one_script_is_refused(tmp_path, main, other, words):
    with pytest.raises(ModelError, match=words):
        one_script(written(tmp_path, main=main, other=other))


def test_the_runtimes_module_must_be_the_one_that_is_known():
    assert classic("let a=1,b=2,c=3;export{a as env,b as Tensor,c as InferenceSession};").endswith(
        "globalThis.ort = {InferenceSession: c, Tensor: b, env: a};})();"
    )
    with pytest.raises(ModelError, match="0 lists of exports"):
        classic("export default 1")


# ---------------------------------------------------------------- what they compute


@needs_node
def test_resampling_is_scipys():
    x = np.random.default_rng(0).normal(size=700) + 3
    pairs = [(500, 100), (360, 100), (257, 100), (250, 500), (999.5, 100)]
    call = f"{json.dumps(pairs)}.map(([fs, to]) => [...resampled({row_of(x)}, fs, to)])"
    for (fs, to), made in zip(pairs, of("signal/resample.js", "resampled", call), strict=True):
        ratio = Fraction(to / fs).limit_denominator(1000)
        expected = resample_poly(x, ratio.numerator, ratio.denominator, padtype="line")
        np.testing.assert_allclose(made, expected, atol=1e-9)


@needs_node
def test_the_transform_is_numpys():
    rows = [np.random.default_rng(n).normal(size=n) for n in (1, 7, 30, 97, 250)]
    call = f"[{', '.join(map(row_of, rows))}].map(both)"
    both = (
        "const both = (row) => { const [re, im] = rfft(row); "
        "return [[...re], [...im], [...irfft(re, im, row.length)]]; }; "
    )
    found = of("signal/fft.js", "rfft, irfft", call, both)
    for x, (re, im, back) in zip(rows, found, strict=True):
        np.testing.assert_allclose(np.array(re) + 1j * np.array(im), np.fft.rfft(x), atol=1e-9)
        np.testing.assert_allclose(back, x, atol=1e-9)


@needs_node
def test_peaks_are_scipys():
    x = np.round(np.random.default_rng(0).normal(size=400).cumsum(), 1)
    x += np.linspace(0, 1e-6, 400)  # no two are of one height
    expected = find_peaks(x, height=1.0, distance=9)[0].tolist()
    assert of("signal/beats.js", "findPeaks", f"findPeaks({row_of(x)}, 1, 9)") == expected


@needs_node
def test_names_of_leads_and_units_mean_what_they_mean_in_python():
    names = ["MDC_ECG_LEAD_AVF", "-aVR", "Lead I (Einthoven)", "ABP", "DII", "mlii", "Lead-V1",
             "ECG V 3", "minus V6", "", "X", "V7", "Lead -aVR", "II.", "'aVL'"]  # fmt: skip
    found = of("reading/leads.js", "leadOf", f"{json.dumps(names)}.map(leadOf)")
    said = [None if each is None else (each["lead"], each["sign"]) for each in found]
    assert said == [lead_of(name) for name in names]
    units = ["µV", "MV", "mmHg", "μV", " uv ", "Volt", "nV", ""]
    assert of("reading/units.js", "unitOf", f"{json.dumps(units)}.map(unitOf)") == [
        unit_of(unit) for unit in units
    ]


STEPS = {
    "16": [0, -1, 32767, -32767, 5],
    "24": [0, -1, 8388607, -8388607, 12345],
    "32": [0, -1, 2**31 - 1, 5, -2147483647],
    "80": [0, -1, 127, -127, 5],
    "212": [0, -1, 2047, -2047, 5],
}


@needs_node
def test_signal_formats_are_wfdbs(tmp_path):
    calls = []
    for form, steps in STEPS.items():
        wfdb.wrsamp(
            f"r{form}", 500, ["mV"], ["II"], d_signal=np.array(steps)[:, None], fmt=[form],
            adc_gain=[10], baseline=[2], write_dir=str(tmp_path),
        )  # fmt: skip
        header = json.dumps((tmp_path / f"r{form}.hea").read_text())
        data = list((tmp_path / f"r{form}.dat").read_bytes())
        calls.append(f"[...readWfdb('r', {header}, () => new Uint8Array({data}), {{}}).signal.II]")
    found = of("reading/wfdb.js", "readWfdb", f"[{', '.join(calls)}]")
    for form, said in zip(STEPS, found, strict=True):
        expected = wfdb.rdrecord(str(tmp_path / f"r{form}")).p_signal[:, 0]
        np.testing.assert_allclose(said, expected, err_msg=form)
