"""Runs the tutorials on demo data and writes them as pages, with what they printed and drew.

python docs/execute.py                       # all, in place
python docs/execute.py --check first_training     # runs one, writes nothing

It needs the extra `docs`. A tutorial is a script of `# %%` cells (jupytext's percent form).
"""

import argparse
import base64
import os
import re
import shutil
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent / "tutorials"
SECONDS = 600  # that a cell may take
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FOLDER = re.compile(rf"{re.escape(tempfile.gettempdir())}/tmp\w+/")  # that a tutorial runs in


def main() -> None:
    """Reads the options and runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of tutorials; none: all")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    for name in options.names or sorted(path.stem for path in HERE.glob("*.py")):
        executed = run(HERE / f"{name}.py")
        if not options.check:
            write(executed, name)
        print(f"{name}: {sum(cell.cell_type == 'code' for cell in executed.cells)} cells ran")


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs; it runs in an empty folder, beside a link to the examples.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = jupytext.read(path)
    repository = HERE.parents[1]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("examples", "pretrained"):
            os.symlink(repository / name, Path(folder) / name)
        os.environ["PYTHONPATH"] = str(repository)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ |= {"COLUMNS": "100", "MLFLOW_DISABLE_TELEMETRY": "true", "NO_COLOR": "1"}
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=place).execute()
    return notebook


def write(notebook: nbformat.NotebookNode, name: str) -> None:
    """NAME.md, and its pictures in NAME/."""
    pictures = HERE / name
    shutil.rmtree(pictures, ignore_errors=True)
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts.append(f"```python\n{cell.source}\n```")
            parts += [_shown(output, pictures, len(parts)) for output in cell.outputs]
    (HERE / f"{name}.md").write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")


def _shown(output: nbformat.NotebookNode, pictures: Path, number: int) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        pictures.mkdir(exist_ok=True)
        path = pictures / f"{number}.png"
        path.write_bytes(base64.b64decode(data["image/png"]))
        return f"![what the cell drew]({pictures.name}/{path.name})"
    if output.get("name") == "stderr":  # bars and warnings of whoever is imported first
        return ""
    text = output.get("text", data.get("text/plain", ""))
    text = FOLDER.sub("", COLOURS.sub("", text)).rstrip()
    return f"```text\n{text}\n```" if text else ""


if __name__ == "__main__":
    main()
