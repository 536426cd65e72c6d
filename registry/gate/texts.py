"""What the gate says: in its run, and on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from heart_reader.evaluation.tables import markdown_table
from heart_reader.tracking import ModelVersion
from registry.client import pinned
from registry.gate.rules import Check


def gate_text(
    version: ModelVersion, champion: ModelVersion | None, checks: Sequence[Check], outcome: str
) -> str:
    """The Markdown on top of the run."""
    rows = [(check.name, "yes" if check.passed else "**no**", check.text) for check in checks]
    rival = "no champion yet" if champion is None else f"champion `{pinned(champion)}`"
    return f"""## `{pinned(version)}` {outcome}

Fold 9, {rival}.

{markdown_table(("rule", "holds", "figures"), rows)}
"""


def print_checks(
    version: ModelVersion, champion: ModelVersion | None, checks: Sequence[Check], outcome: str
) -> None:
    """One row a rule."""
    rival = "no champion yet" if champion is None else f"against {pinned(champion)}"
    table = Table("rule", "holds", "figures", title=f"{pinned(version)}, {rival}: {outcome}")
    for check in checks:
        table.add_row(check.name, "yes" if check.passed else "[bold]no[/bold]", check.text)
    Console().print(table)
