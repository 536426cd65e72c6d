"""Structured features measured from the waveform of any 12-lead ECG."""

from heart_reader.data.delineation.delineate import Delineation, delineate
from heart_reader.data.delineation.extract import (
    VERSION,
    MainMeasurements,
    extract,
    features_of,
    main_measurements,
)
from heart_reader.data.delineation.names import FEATURE_NAMES

__all__ = [
    "FEATURE_NAMES",
    "VERSION",
    "Delineation",
    "MainMeasurements",
    "delineate",
    "extract",
    "features_of",
    "main_measurements",
]
