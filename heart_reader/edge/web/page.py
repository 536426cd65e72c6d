"""One HTML file that reads ECGs: model, runtime, scripts and samples inside.

No request leaves it: its Content-Security-Policy lets nothing be fetched, and runs no script but
those whose hashes stand in it.
"""

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heart_reader.edge.web.runtime import BrowserRuntime
from heart_reader.edge.web.samples import demo_samples
from heart_reader.edge.web.scripts import ASSETS, classic, one_script
from heart_reader.errors import ModelError

PAGE = "index.html"
LARGEST = 12_000_000  # bytes of the whole file


@dataclass(frozen=True)
class Page:
    """What a page says and runs.

    Attributes:
        title: its heading.
        warning: what a reader must know first.
        about: terms and what stands beside them.
        contract: classes, titles, leads, sampling_rate, n_times, thresholds; calibration and
            limits, ``None`` where the model has none.
        model: an ONNX file that reads a signal alone.
        runtime: what runs it.
    """

    title: str
    warning: str
    about: Mapping[str, str]
    contract: Mapping[str, Any]
    model: Path
    runtime: BrowserRuntime


def render(page: Page) -> str:
    """The file's text.

    Raises:
        ModelError: it would be larger than a page may be.
    """
    samples, script = demo_samples(), one_script()
    ort = classic(page.runtime.glue.read_text(encoding="utf-8"))
    style = (ASSETS / "style.css").read_text(encoding="utf-8")
    listed = [{"title": title, "fs": samples.fs} for title in samples.titles]
    parts = {
        "csp": _policy(style, (ort, script)),
        "style": style,
        "title": html.escape(page.title),
        "warning": html.escape(page.warning),
        "about": "\n".join(
            f"<dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>"
            for term, text in page.about.items()
        ),
        "contract": _inside_script({**page.contract, "samples": listed}),
        "samples": _packed(samples.microvolts.astype("<i2").tobytes()),
        "model": _packed(page.model.read_bytes()),
        "runtime": _packed(page.runtime.wasm.read_bytes()),
        "ort": ort,
        "script": script,
    }
    text = (ASSETS / PAGE).read_text(encoding="utf-8")
    made = _filled(text, parts)
    if len(made.encode()) > LARGEST:
        raise ModelError(
            f"the web page would have {len(made.encode()) / 1e6:.1f} MB, and may have "
            f"{LARGEST / 1e6:g}: prune the model (prune.ratio), or export a smaller one"
        )
    return made


def _filled(text: str, parts: Mapping[str, str]) -> str:
    """The template with its parts, each once; what a part holds is not looked at again."""
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], text)


def _policy(style: str, scripts: tuple[str, ...]) -> str:
    """Nothing may be fetched; WebAssembly may be compiled, and no text evaluated."""
    hashes = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} 'wasm-unsafe-eval'; style-src {_hash(style)}; "
        "img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _inside_script(tree: Mapping[str, Any]) -> str:
    """JSON that can't end the element that it stands in."""
    return json.dumps(tree, allow_nan=False).replace("<", "\\u003c")
