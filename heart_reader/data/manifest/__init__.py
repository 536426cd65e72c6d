"""Records and labels of the user's own."""

from heart_reader.data.manifest.read import Manifest, is_manifest, read_manifest

__all__ = ["Manifest", "is_manifest", "read_manifest"]
