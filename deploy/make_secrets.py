"""Writes the env file of the platform: random secrets, each made on this machine, none twice.

python -m deploy.make_secrets --state .platform
"""

import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from deploy.state import state_folder
from heart_reader.cli.entry import dotted_options, run_entry

PASSWORDS = (
    "POSTGRES_PASSWORD",
    "MLFLOW_DATABASE_PASSWORD",
    "STUDIES_PASSWORD",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "S3_SIGNING_KEY",
    "ADMIN_PASSWORD",
    "SYNC_PASSWORD",
    "FLASK_SECRET",
    "WEBHOOK_SECRET",
)
WEBHOOK_KEY = "WEBHOOK_ENCRYPTION_KEY"
SECRETS = (*PASSWORDS, WEBHOOK_KEY)
HEAD = """\
# The platform's secrets, made at random by `make secrets`. Never put this file into a repository.
# Ports, addresses and the like may be set here as well: see the variables of docker-compose.yml.
"""


def main(words: Sequence[str]) -> None:
    """Writes the file, and leaves one that is there alone."""
    state = state_folder(dotted_options(words))
    made = write_secrets(state)
    print(f"{state / 'env'}: {'written' if made else 'is there already'}")


def write_secrets(state: Path) -> bool:
    """Whether the file was made; nobody but its owner can read it."""
    state.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(state / "env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    values = {name: secrets.token_hex(20) for name in PASSWORDS}
    # Fernet's form of a key, which MLflow asks for.
    values[WEBHOOK_KEY] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(HEAD + "".join(f"{key}={value}\n" for key, value in values.items()))
    return True


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
