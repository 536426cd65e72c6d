"""Entry point ``tune``: one worker of a named study; start as many as you like, anywhere.

python -m tuning.tune --study first --backbone se_resnet1d --trials 20
python -m tuning.tune --study first --trials 100 --storage postgresql+psycopg2://me@host/studies
"""

from collections.abc import Sequence

from optuna.study import Study

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError
from heart_reader.project import CONFIG_DEFAULTS
from tuning import TUNING_DEFAULTS, plots
from tuning.config import TuneRequest, read_tune_request
from tuning.search import search_all
from tuning.tracking import set_up_shared_tracking
from tuning.workers import run_workers


def main(words: Sequence[str]) -> None:
    """Reads the options, works on the studies, and prints the best of each.

    Raises:
        ConfigError: unknown options or values, or no trials.
    """
    request = read_tune_request(dotted_options(words))
    if request.tuning.trials < 1:
        raise ConfigError("tune needs a number of trials: -P trials=20")
    set_up_shared_tracking()
    for study in tune(request):
        plots.print_best(study)


def tune(request: TuneRequest) -> list[Study]:
    """Searches for every backbone, one study each, in this process or by several workers."""
    if request.tuning.workers > 1:
        run_workers(request)
    return search_all(request)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, TUNING_DEFAULTS, CONFIG_DEFAULTS))
