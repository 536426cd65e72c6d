"""The page's modules as one script: a page that is opened from a disk may not import any.

Modules of ``assets/`` import names from files beside them and export what they declare. In the
script each is a function of its own that gives what it exports.
"""

import re
from pathlib import Path

from heart_reader.errors import ModelError

ASSETS = Path(__file__).with_name("assets")
ENTRY = ASSETS / "page" / "main.js"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.{1,2}/[\w./-]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?P<kind>(?:async )?function|const|class) (?P<name>\w+)", re.MULTILINE
)
_ITS_EXPORTS = re.compile(r"export\{([^}]*)\};")


def one_script(entry: Path = ENTRY) -> str:
    """The module and all that it imports, each behind what it imports itself.

    Raises:
        ModelError: modules that import each other, or in words that aren't read here.
    """
    made: dict[Path, str] = {}
    _add(entry.resolve(), made, ())
    return '(() => {\n"use strict";\n' + "\n".join(made.values()) + "})();\n"


def _add(path: Path, made: dict[Path, str], above: tuple[Path, ...]) -> None:
    if path in made:
        return
    if path in above:
        raise ModelError(f"{path.name} imports itself by way of {above[-1].name}")
    text = path.read_text(encoding="utf-8")
    for names, imported in _IMPORT.findall(text):
        below = (path.parent / imported).resolve()
        _add(below, made, (*above, path))
        lacking = set(re.findall(r"\w+", names)) - set(_exported(below))
        if lacking:
            raise ModelError(f"{below.name} doesn't export {', '.join(sorted(lacking))}")
    exported = ", ".join(_exported(path))
    body = _EXPORT.sub(r"\g<kind> \g<name>", text)
    body = _IMPORT.sub(lambda found: f"const {found[1]} = {_variable(path, found[2])};", body)
    if re.search(r"^(?:import|export)\b", body, re.MULTILINE):
        raise ModelError(f"{path.name} imports or exports in words that this doesn't read")
    made[path] = f"const {_name(path)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"


def _exported(path: Path) -> list[str]:
    return [found["name"] for found in _EXPORT.finditer(path.read_text(encoding="utf-8"))]


def _variable(path: Path, imported: str) -> str:
    return _name((path.parent / imported).resolve())


def _name(path: Path) -> str:
    return f"{path.parent.name}_{path.stem}"


def classic(glue: str) -> str:
    """ONNX Runtime Web's module as a script that leaves ``ort`` behind.

    Raises:
        ModelError: a module that is built otherwise.
    """
    found = _ITS_EXPORTS.findall(glue)
    if len(found) != 1:
        raise ModelError(f"ONNX Runtime Web's module has {len(found)} lists of exports, not 1")
    names = dict(reversed(pair.split(" as ")) for pair in found[0].split(","))
    kept = ", ".join(f"{name}: {names[name]}" for name in ("InferenceSession", "Tensor", "env"))
    script = _ITS_EXPORTS.sub(lambda _: f"globalThis.ort = {{{kept}}};", glue)
    # Where its other files would lie: none is asked for, since the WebAssembly is handed over.
    script = script.replace("import.meta.url", '"file:///ort.mjs"')
    script = re.sub(r"^//# sourceMappingURL=.*$", "", script, flags=re.MULTILINE)
    return f"(() => {{{script}}})();"
