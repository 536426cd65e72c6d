"""Files of ECGs, one module for each family, behind `read_recording`."""

from heart_reader.data.formats.reading import FORMATS, read_recording

__all__ = ["FORMATS", "read_recording"]
