"""The table in a database: rows that are added once, and bounded."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from heart_reader.errors import DataError
from heart_reader.files import sqlite_file
from heart_reader.predictions.columns import NAMES, NESTED
from heart_reader.predictions.journal import Row
from heart_reader.predictions.place import SQLITE, Place

BUSY_SECONDS = 30
NAME = "heart_reader_predictions"
_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TYPES: dict[str, Any] = {
    **dict.fromkeys(NESTED, sa.JSON),
    "time": sa.BigInteger,
    "position": sa.Integer,
    "decade": sa.Integer,
    "novelty": sa.Float,
}
TABLE = sa.Table(
    NAME,
    sa.MetaData(),
    sa.Column("n", _number, primary_key=True, autoincrement=True),
    *(sa.Column(name, _TYPES.get(name, sa.Text), unique=name == "id") for name in NAMES),
    sa.Index("heart_reader_predictions_by_model", "model", "role", "time"),
)


class SqlTable:
    """Rows of answers in SQLite or PostgreSQL.

    Args:
        place: of it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._engine: sa.Engine | None = None

    def add(self, rows: Sequence[Row]) -> int:
        """Adds rows, those that are there already once; how many of the oldest went for them.

        Raises:
            DataError: the database can't be reached or written.
        """
        kind = sqlite if self.place.kind == SQLITE else postgresql
        once = kind.insert(TABLE).on_conflict_do_nothing(index_elements=["id"])
        try:
            with self._opened().begin() as connection:
                if rows:
                    connection.execute(once, [dict(row) for row in rows])
                newest = sa.select(sa.func.max(TABLE.c.n)).scalar_subquery()
                old = sa.delete(TABLE).where(TABLE.c.n <= newest - self.place.most_rows)
                return connection.execute(old).rowcount
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise DataError(f"{self.place} can't be written: {_first_line(error)}") from error

    def newest(
        self, model: str, role: str, limit: int, skip: int = 0, since: int = 0
    ) -> list[Row]:
        """Rows of a model, the newest first.

        Args:
            model: as it stands in the rows.
            role: of the rows.
            limit: of how many.
            skip: so many that are newer.
            since: seconds since 1970; no older ones.

        Raises:
            DataError: the database can't be read.
        """
        c = TABLE.c
        asked = (
            sa.select(*(c[name] for name in NAMES))
            .where(c.model == model, c.role == role, c.time >= since)
            .order_by(c.time.desc(), c.n.desc())
            .limit(limit)
            .offset(skip)
        )
        try:
            with self._opened().connect() as connection:
                return [dict(row) for row in connection.execute(asked).mappings()]
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise DataError(f"{self.place} can't be read: {_first_line(error)}") from error

    def close(self) -> None:
        """Lets go of the database."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            file = sqlite_file(self.place.address)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            waits = {"timeout": BUSY_SECONDS} if self.place.kind == SQLITE else {}
            engine = sa.create_engine(self.place.address, connect_args=waits)
            with engine.begin() as connection:
                if self.place.kind == SQLITE:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                TABLE.metadata.create_all(connection)
            self._engine = engine
        return self._engine


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
