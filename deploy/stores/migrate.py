"""Makes a new platform ready, and brings an older one up to date; run twice, it changes nothing.

python -m deploy.stores.migrate
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.db import utils as schema
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelStore

from deploy.roles import KINDS, MODELS, ROLES, WORKSPACE
from deploy.stores.databases import MAIN, connect, make_databases
from deploy.stores.objects import Objects
from heart_reader.cli.entry import run_entry

TUNING = Path(__file__).parent / "tuning.sql"
ADDRESS = "postgresql+psycopg2:///"
EMPTY = (
    "Made when the platform started. The alias `champion` stands for the version in use, "
    "`candidate` for the newest; without versions, nobody has trained one yet."
)
EXISTS = "RESOURCE_ALREADY_EXISTS"


def main(words: Sequence[str]) -> None:
    """Databases, schema, models, indices, roles, accounts, bucket."""
    with connect(MAIN) as server:
        make_databases(server)
    upgrade_schema(ADDRESS + "mlflow")
    make_models(ADDRESS + "mlflow")
    with connect("mlflow") as database, database.cursor() as cursor:
        cursor.execute(TUNING.read_text(encoding="utf-8"))
    passwords = {"admin": os.environ["ADMIN_PASSWORD"], "sync": os.environ["SYNC_PASSWORD"]}
    make_accounts(ADDRESS + "auth", passwords)
    Objects.from_environment().make_bucket()
    print("ready")


def upgrade_schema(address: str) -> None:
    """What ``mlflow db upgrade`` does."""
    engine = schema.create_sqlalchemy_engine_with_retry(address)
    if schema._is_empty_database(engine):
        schema._initialize_tables(engine)
    else:
        schema._upgrade_db(engine)
    engine.dispose()


def make_models(address: str) -> None:
    """The default task's registered models, where they aren't there; admins alone own them."""
    store = ModelStore(address)
    for name in MODELS:
        try:
            store.create_registered_model(name, description=EMPTY)
        except MlflowException as error:
            if error.error_code != EXISTS:
                raise
    store.engine.dispose()


def make_accounts(address: str, passwords: Mapping[str, str]) -> None:
    """The roles, and the admins' accounts, with the passwords of the env file.

    ``sync`` is one, since MLflow lets nobody else have webhooks.
    """
    store = SqlAlchemyStore()
    store.init_db(address)
    known = {role.name for role in store.list_roles([WORKSPACE])}
    for name, permission in ROLES.items():
        if name not in known:
            role = store.create_role(name, WORKSPACE, f"{permission} everywhere")
            for kind in KINDS:
                store.add_role_permission(role.id, kind, "*", permission)
    for user, password in passwords.items():
        if store.has_user(user):
            store.update_user(user, password, is_admin=True)
        else:
            store.create_user(user, password, is_admin=True)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
