"""A database or an object store of one's own, in place of the platform's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from heart_reader.errors import ConfigError

HTTPS, HTTP = 443, 80


@dataclass(frozen=True)
class External:
    """What isn't run here.

    Attributes:
        postgres: ``HOST:PORT``, or "".
        s3: an address such as ``https://s3.eu-central-1.amazonaws.com``, or "".
    """

    postgres: str
    s3: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "External":
        """As the env file says.

        Raises:
            ConfigError: values that are no addresses.
        """
        own = cls(variables.get("EXTERNAL_POSTGRES", ""), variables.get("EXTERNAL_S3", ""))
        wrong = []
        if own.postgres and not re.fullmatch(r"[\w.-]+:\d+", own.postgres):
            wrong.append(f"EXTERNAL_POSTGRES must be HOST:PORT, but is {own.postgres!r}")
        if own.s3 and not re.fullmatch(r"https?://[\w.-]+(:\d+)?", own.s3):
            wrong.append(f"EXTERNAL_S3 must be like https://s3.example.org, but is {own.s3!r}")
        if wrong:
            raise ConfigError("\n".join(wrong))
        return own

    @property
    def replaced(self) -> set[str]:
        """The services that aren't run."""
        named = {"postgres": self.postgres, "objects": self.s3}
        return {name for name, address in named.items() if address}

    def variables(self) -> dict[str, str]:
        """What docker-compose.yml calls their parts."""
        made: dict[str, str] = {}
        if self.postgres:
            host, _, port = self.postgres.partition(":")
            made |= {"POSTGRES_HOST": host, "POSTGRES_PORT": port}
        if self.s3:
            url = urlsplit(self.s3)
            port = str(url.port or (HTTPS if url.scheme == "https" else HTTP))
            made |= {"S3_SCHEME": url.scheme, "S3_HOST": str(url.hostname), "S3_PORT": port}
        return made
