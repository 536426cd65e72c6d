"""The rows of one MLflow database in another: all IDs kept, every row compared afterwards.

MLflow's REST interface gives runs and models new IDs, and most of what names them is text: tags,
cards, notes. So the tables themselves are copied, as MLflow's own ``migrate-filestore`` does.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import mlflow.store.model_registry.dbmodels.models
import mlflow.store.tracking.dbmodels.models
import mlflow.store.workspace.dbmodels.models  # noqa: F401 (each adds its tables to Base)
from mlflow.store.db.base_sql_model import Base
from sqlalchemy import Connection, Table, delete, func, select, text

from heart_reader.errors import ConfigError

# Encrypted with the key of the server that wrote them, or that server's own work in progress.
LEFT_OUT = {"webhooks", "webhook_events", "secrets", "endpoints", "model_definitions"}
LEFT_OUT |= {"endpoint_model_mappings", "endpoint_bindings", "endpoint_tags"}
LEFT_OUT |= {"jobs", "job_locks", "scheduler_leases"}
LOCATIONS = {  # columns that say where artifacts lie
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
    "trace_tags": ("value",),
}
ROWS_AT_ONCE = 2000
OWNERS = ("experiments", "runs", "logged_models", "model_versions")
MODELS = Base.metadata.tables["registered_models"]
Row = dict[str, Any]


@dataclass(frozen=True)
class TableDifference:
    """How a table's rows compare."""

    table: str
    rows: int
    missing: int  # of the source's rows, in the target
    changed: int


def tables() -> list[Table]:
    """What is copied, in an order in which each row finds those that it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]


def count(connection: Connection, table: Table) -> int:
    """Rows of a table."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def left_out(connection: Connection) -> dict[str, int]:
    """Rows that aren't copied, by table."""
    counts = {name: count(connection, Base.metadata.tables[name]) for name in sorted(LEFT_OUT)}
    return {name: rows for name, rows in counts.items() if rows}


def revision(connection: Connection) -> str:
    """The version of the schema."""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return str(found)


def is_empty(connection: Connection) -> bool:
    """Whether a store is as new: with MLflow's own experiment, and models without versions."""
    experiments, *others = (Base.metadata.tables[name] for name in OWNERS)
    ids = {row[0] for row in connection.execute(select(experiments.c.experiment_id))}
    return ids <= {0} and not any(count(connection, table) for table in others)


# ---------------------------------------------------------------- copying


def moved(table: Table, row: Row, places: Mapping[str, str]) -> Row:
    """A row with the addresses of artifacts as they are in the target."""
    for name in LOCATIONS.get(table.name, ()):
        row[name] = new_place(row[name], places)
    return row


def new_place(address: str | None, places: Mapping[str, str]) -> str | None:
    """Below which experiment's folder an address lies, and where that folder is now."""
    for old, new in places.items():
        if address is not None and (address == old or address.startswith(f"{old}/")):
            return new + address.removeprefix(old)
    return address


def rows_of(connection: Connection, table: Table) -> Iterator[Row]:
    """All rows, never all of them in memory."""
    found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
    return (dict(row) for row in found.mappings())


def copy_rows(source: Connection, target: Connection, places: Mapping[str, str]) -> None:
    """Fills an empty store, within the target's transaction.

    Raises:
        ConfigError: somebody has begun to use it.
    """
    if target.dialect.name == "postgresql":
        names = ", ".join(OWNERS)
        target.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    if not is_empty(target):
        raise ConfigError("somebody has begun to use the target: migrate needs an empty one")
    # A team's platform has some; not by `rows_of`, whose cursors would be those of the writes too.
    reserved = [dict(row) for row in target.execute(select(MODELS)).mappings()]
    for table in reversed(tables()):
        target.execute(delete(table))  # the rows that every new store has
    for table in tables():
        rows = (moved(table, row, places) for row in rows_of(source, table))
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            target.execute(table.insert(), batch)
    copied = {row["name"] for row in rows_of(source, MODELS)}
    if left := [row for row in reserved if row["name"] not in copied]:
        target.execute(MODELS.insert(), left)
    if target.dialect.name == "postgresql":
        _advance_sequences(target)


def _advance_sequences(target: Connection) -> None:
    """Copied IDs draw nothing from the sequences, which the next new row does."""
    for table in tables():
        column = table.autoincrement_column
        if column is None:
            continue
        name = target.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": table.name, "column": column.name},
        ).scalar_one()
        highest = target.execute(select(func.max(column))).scalar_one()
        if name is not None and highest:
            target.execute(text("SELECT setval(:name, :value)"), {"name": name, "value": highest})


# ---------------------------------------------------------------- comparing


def compare(
    source: Connection, target: Connection, places: Mapping[str, str]
) -> Iterator[TableDifference]:
    """Each table's rows, by a hash of all columns; the target may hold more."""
    for table in tables():
        keys = [column.name for column in table.primary_key]
        there = {digest(row, keys): digest(row) for row in rows_of(target, table)}
        rows = missing = changed = 0
        for row in rows_of(source, table):
            wanted, rows = moved(table, row, places), rows + 1
            found = there.get(digest(wanted, keys))
            missing += found is None
            changed += found is not None and found != digest(wanted)
        yield TableDifference(table.name, rows, missing, changed)


def digest(row: Row, columns: list[str] | None = None) -> bytes:
    """A hash of some columns; ``repr`` tells 1 from 1.0 from "1", and keeps every digit."""
    values = repr([(name, row[name]) for name in columns or sorted(row)])
    return hashlib.blake2b(values.encode(), digest_size=16).digest()
