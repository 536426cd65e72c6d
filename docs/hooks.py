"""Pages that are made when the site is built, so that they say what the code says: every key."""

from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from heart_reader.cli.app import commands, docstring
from heart_reader.cli.usage import Option, declared, project_options
from heart_reader.project import CONFIG_DEFAULTS, EDGE_DEFAULTS, REPOSITORY
from registry.commands import DEFAULTS
from tuning.commands import TUNING_DEFAULTS

KEYS = {
    "Training and evaluation": CONFIG_DEFAULTS,
    "Search": TUNING_DEFAULTS,
    "Gate, ensemble, sync, webhook": DEFAULTS,
    "Export to a device (behind `edge.`, or by their own sections)": EDGE_DEFAULTS,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the two pages."""
    for name, text in (("settings", settings()), ("commands", command_pages())):
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def settings() -> str:
    """Every key with its default and what it means, of the YAML files that are their only home."""
    parts = ["# Every key and its default\n\nEach is an option: `-P KEY=VALUE` or `--KEY VALUE`."]
    for title, path in KEYS.items():
        where = path.relative_to(REPOSITORY).as_posix()
        parts.append(f"## {title}\n\nFrom `{where}`.\n\n{table(declared(path))}")
    return "\n\n".join(parts) + "\n"


def command_pages() -> str:
    """Every command with what its module says, and the parameters of its entry point."""
    parts = ["# Every command\n\n`heart-reader COMMAND --help` says the same."]
    for name, command in sorted(commands().items()):
        own = list(project_options(command.module))
        options = f"\n\n{table(own)}" if own else ""
        parts.append(f"## {name}\n\n```text\n{docstring(command.module)}\n```{options}")
    return "\n\n".join(parts) + "\n"


def table(options: list[Option] | Iterator[Option]) -> str:
    """A row an option."""
    rows = [
        f"| `{each.name}` | `{_cell(each.default)}` | {_cell(each.about)} |" for each in options
    ]
    return "\n".join(["| key | default | what |", "|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(settings(), command_pages(), sep="\n")
