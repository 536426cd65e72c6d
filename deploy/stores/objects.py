"""The bucket in which the platform's artifacts lie."""

import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3
from botocore.exceptions import ClientError

MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound"}
CHUNK = 1 << 20  # bytes


class Hashing:
    """A stream that is hashed while somebody else reads it."""

    def __init__(self, stream: Any, length: int) -> None:
        self.stream = stream
        self.length = length
        self.sha256 = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data: bytes = self.stream.read(None if size < 0 else size)
        self.sha256.update(data)
        self.size += len(data)
        return data

    def __str__(self) -> str:
        return f"{self.size} {self.sha256.hexdigest()}"


@dataclass(frozen=True)
class Objects:
    """One bucket of an S3 store."""

    client: Any
    bucket: str

    @classmethod
    def from_environment(cls) -> "Objects":
        """As the MLflow server finds it; boto3 reads the keys by itself."""
        client = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
        return cls(client, os.environ["S3_BUCKET"])

    def make_bucket(self) -> None:
        """Makes the bucket where it isn't there."""
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            self.client.create_bucket(Bucket=self.bucket)

    def keys(self) -> Iterator[str]:
        """The names of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        for page in pages:
            yield from (item["Key"] for item in page.get("Contents", []))

    def digests(self) -> dict[str, str]:
        """``SIZE SHA256`` of each object."""
        found = {}
        for key in self.keys():
            stream = self._open(key)
            if stream is not None:
                while stream.read(CHUNK):
                    pass
                found[key] = str(stream)
        return found

    def save(self, file: Path) -> dict[str, str]:
        """Writes all objects into a tar file; ``SIZE SHA256`` of each."""
        found = {}
        with tarfile.open(file, "w") as archive:
            for key in self.keys():
                stream = self._open(key)
                if stream is None:
                    continue
                member = tarfile.TarInfo(key)
                member.size = stream.length
                archive.addfile(member, stream)
                found[key] = str(stream)
        return found

    def load(self, file: Path) -> None:
        """Stores all objects of a tar file."""
        with tarfile.open(file) as archive:
            for member in archive:
                content: IO[bytes] | None = archive.extractfile(member)
                if content is not None:
                    self.client.upload_fileobj(content, self.bucket, member.name)

    def _open(self, key: str) -> "Hashing | None":
        """An object's content; ``None`` where it has gone since it was listed."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            return None
        return Hashing(answer["Body"], int(answer["ContentLength"]))
