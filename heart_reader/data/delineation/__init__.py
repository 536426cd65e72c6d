"""Structured features measured from the waveform of any 12-lead ECG."""

from heart_reader.data.delineation.delineate import Delineation, delineate
from heart_reader.data.delineation.extract import (
    VERSION,
    extract,
    features_of,
)
from heart_reader.data.delineation.names import FEATURE_NAMES
from heart_reader.data.delineation.printed import MainMeasurements, main_measurements

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
