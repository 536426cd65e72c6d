"""The key that promotions are signed with, and whose signatures are believed.

Ed25519. The private key is in ``$HEART_READER_AUDIT_KEY``, a PEM file, else in the cache, where it
is made once, readable by its owner alone. On the platform it is sync's: who can't read it can't
write a record that verifies. RFC 8032, https://www.rfc-editor.org/rfc/rfc8032
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from heart_reader.errors import ConfigError
from heart_reader.files import cache_folder, user_path

VARIABLE = "HEART_READER_AUDIT_KEY"
PRIVATE, PUBLIC = "audit.pem", "audit.pub.pem"
Keys = Mapping[str, Ed25519PublicKey]  # by their own base64


def key_file() -> Path:
    """Where the private key is, or will be."""
    given = os.environ.get(VARIABLE)
    return user_path(given) if given else cache_folder() / "keys" / PRIVATE


def signing_key() -> Ed25519PrivateKey:
    """The private key; made where nobody named one and there is none.

    Raises:
        ConfigError: the file that was named isn't there, or no such key.
    """
    path = key_file()
    if not path.exists():
        if os.environ.get(VARIABLE):
            raise ConfigError(f"{VARIABLE} names {path}, which isn't there")
        _make(path)
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no private key that can be read: {error}") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ConfigError(f"{path} must be an Ed25519 key, but is {type(found).__name__}")
    return found


def _make(path: Path) -> None:
    """A new key; of two that make one at once, one stays."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    finally:
        beside.unlink()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path.with_name(PUBLIC).write_bytes(public)


def name_of(key: Ed25519PublicKey) -> str:
    """A public key as it stands in a record."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def trusted_keys(files: str) -> Keys:
    """The public keys that are believed: one's own, and those of PEM files.

    Args:
        files: paths with commas between them, or "none".

    Raises:
        ConfigError: a file that is no public key.
    """
    found = []
    if key_file().exists() or not os.environ.get(VARIABLE):
        found.append(signing_key().public_key())
    for word in [] if files == "none" else files.split(","):
        path = user_path(word.strip())
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} is no public key that can be read: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigError(f"{path} must be an Ed25519 key, but is {type(key).__name__}")
        found.append(key)
    return {name_of(key): key for key in found}


def sign(data: bytes) -> tuple[str, str]:
    """The signature, and whose it is, both in base64."""
    key = signing_key()
    return base64.b64encode(key.sign(data)).decode(), name_of(key.public_key())


def is_signed(data: bytes, signature: str, key: Ed25519PublicKey) -> bool:
    """Whether a key made that signature of some bytes."""
    try:
        key.verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True
