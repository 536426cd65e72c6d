"""The platform's databases, reached as libpq's variables say (PGHOST, PGPORT, PGPASSWORD)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection, cursor

# Each with the role that owns it; the studies' workers can't read what the server keeps.
OWNERS = {"mlflow": "mlflow", "auth": "mlflow", "studies": "studies"}
MAIN = "postgres"  # the database that every server has


def superuser() -> str:
    """Who makes roles and databases; of a database of one's own, whoever is allowed to."""
    return os.environ.get("POSTGRES_SUPERUSER") or "postgres"


@contextmanager
def connect(database: str) -> Iterator[connection]:
    """A connection as the superuser, each statement by itself; ``POSTGRES_PASSWORD`` opens it."""
    password = os.environ["POSTGRES_PASSWORD"]
    opened = psycopg2.connect(dbname=database, user=superuser(), password=password)
    try:
        opened.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        yield opened
    finally:
        opened.close()


def make_databases(server: connection) -> None:
    """The roles with the passwords of the env file, and their databases, closed to all others."""
    passwords = {"mlflow": os.environ["PGPASSWORD"], "studies": os.environ["STUDIES_PASSWORD"]}
    with server.cursor() as at:
        for role, password in passwords.items():
            at.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            verb = sql.SQL("ALTER" if at.fetchone() else "CREATE")
            words = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
            at.execute(words.format(verb, sql.Identifier(role), sql.Literal(password)))
            # Who isn't quite a superuser must be a member of a role to give it something.
            at.execute("SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper")
            if not at.fetchone():
                at.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
        for database, owner in OWNERS.items():
            names = (sql.Identifier(database), sql.Identifier(owner))
            at.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
            if not at.fetchone():
                at.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
            at.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))


def users_of(server: connection, databases: Mapping[str, str]) -> int:
    """How many other connections to some databases there are."""
    with server.cursor() as at:
        at.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s) "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
            (list(databases),),
        )
        return int(at.fetchone()[0])


def digests(at: cursor) -> dict[str, str]:
    """``COUNT HASH`` of each table's rows, whatever their order, as one transaction sees them."""
    at.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {name: digest(at, name) for (name,) in at.fetchall()}


def digest(at: cursor, table: str) -> str:
    """The rows' own MD5s as two numbers, summed: no sorting, quick with millions of rows."""
    halves = [
        f"coalesce(sum(('x' || substr(h, {start}, 15))::bit(60)::bigint), 0)" for start in (1, 16)
    ]
    at.execute(
        sql.SQL("SELECT count(*), {} FROM (SELECT md5(t::text) AS h FROM {} t) AS rows").format(
            sql.SQL(", ".join(halves)), sql.Identifier("public", table)
        )
    )
    count, first, second = at.fetchone()
    return f"{count} {int(first):x}-{int(second):x}"
