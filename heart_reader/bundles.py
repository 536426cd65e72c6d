"""The old address of `heart_reader.bundle`, which stands in models logged before."""

from heart_reader.bundle import AnyBundle, open_bundle

__all__ = ["AnyBundle", "open_bundle"]
