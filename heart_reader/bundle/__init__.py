"""All that is needed to predict, in one folder: a model, or an ensemble of several."""

from heart_reader.bundle.ensemble import EnsembleBundle, load_ensemble, save_ensemble
from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.bundle.measuring import Features
from heart_reader.bundle.single import Bundle, load_bundle, save_bundle

__all__ = [
    "AnyBundle",
    "Bundle",
    "EnsembleBundle",
    "Features",
    "load_bundle",
    "load_ensemble",
    "open_bundle",
    "save_bundle",
    "save_ensemble",
]
