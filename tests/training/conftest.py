from pathlib import Path

import pytest

from heart_reader.fitting import Prepared
from tests.training.tiny import tiny_prepared


@pytest.fixture(scope="session")
def prepared(cache: Path) -> Prepared:
    """200 demo records with what was fitted on folds 1 to 8."""
    return tiny_prepared(cache)
