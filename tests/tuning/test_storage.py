"""The books of the budget, claims, and what happens to a trial that died very early."""

import inspect
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

from heart_reader.predictions.log import Log, open_table
from heart_reader.predictions.place import Place
from tests.predictions.test_log import answered
from tests.tuning.postgres import Postgres
from tuning.config import TuningConfig, load_tuning
from tuning.store.patient import CALLS, BudgetSpentError, PatientStorage, StudyError
from tuning.store.storage import connect


def test_every_call_that_opens_a_session_waits_for_the_server():
    """Of Optuna's own storage, whatever version is installed."""
    opens = {
        name
        for name, method in inspect.getmembers(RDBStorage, inspect.isfunction)
        if "_create_scoped_session" in inspect.getsource(method)
    }
    assert len(opens) > 20
    # It waits in a way of its own: `PatientStorage.set_trial_state_values`.
    assert opens - {"set_trial_state_values"} == set(CALLS)


def config(url: str, **changes: str) -> TuningConfig:
    return load_tuning("default", {"storage": url, "heartbeat": "1", "grace": "2", **changes})


def study_in(storage: PatientStorage, name: str) -> Study:
    return optuna.create_study(storage=storage, study_name=name, load_if_exists=True)


def test_many_workers_never_begin_more_trials_than_asked_for(postgres: Postgres):
    url = postgres.create("budget")
    storage = connect(config(url))
    study_in(storage, "s")

    def worker(index: int) -> int:
        own = connect(config(url))
        own.budget = 10
        study, n_begun = study_in(own, "s"), 0
        while True:
            try:
                study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
            except BudgetSpentError:
                return n_begun
            n_begun += 1

    with ThreadPoolExecutor(6) as pool:
        begun = list(pool.map(worker, range(6)))
    trials = study_in(storage, "s").trials
    assert sum(begun) == 10
    assert [trial.number for trial in trials] == list(range(10))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}


def test_one_of_many_wins_a_claim_and_all_learn_who(postgres: Postgres):
    url = postgres.create("claims")
    study = study_in(connect(config(url)), "s")

    def claim(index: int) -> int:
        return int(connect(config(url)).claim(study._study_id, "parent", index))

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(claim, range(8)))
    assert len(set(won)) == 1 and won[0] in range(8)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_that_died_before_its_first_heartbeat_is_noticed(tmp_path):
    storage = connect(config(f"sqlite:///{tmp_path}/t.db"))
    study = study_in(storage, "s")
    study.ask()  # its worker dies here: no heartbeat is ever recorded
    optuna.storages.fail_stale_trials(study)
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]
    time.sleep(4)  # SQLite counts whole seconds
    optuna.storages.fail_stale_trials(study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def test_a_storage_that_stays_away_is_one_line(postgres: Postgres):
    url = postgres.create("away")
    storage = connect(config(url, outage="1"))
    study_in(storage, "s")
    postgres.kill()
    try:
        with pytest.raises(StudyError, match=r"storage .*away can't be reached: connection to"):
            storage.get_all_studies()
    finally:
        postgres.start()
    # The same storage goes on when the server is back.
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]


def test_a_server_that_is_starting_is_waited_for(postgres: Postgres, capfd):
    url = postgres.create("starting")
    postgres.kill()
    postgres.start_unready()
    try:
        with pytest.raises(StudyError, match="not accepting connections"):
            connect(config(url, outage="0.5"))
        with ThreadPoolExecutor(1) as pool:
            opened = pool.submit(connect, config(url, outage="60"))
            time.sleep(1.5)
            assert not opened.done()
            postgres.become_ready()
            assert opened.result().get_all_studies() == []
    finally:
        (postgres.folder / "standby.signal").unlink(missing_ok=True)
    assert "storage is starting, waiting for it" in capfd.readouterr().err


def test_a_log_of_answers_lives_in_postgresql_too(postgres, tmp_path):
    url = postgres.create("answers")
    place = Place("postgresql", url, 30, b"", tmp_path / "journal")
    log = Log(place, background=False)
    for first in (0, 25, 20):  # five come twice
        log.add([answered(k) for k in range(first, first + 25)])
        log.close()
    table = open_table(place)
    found = table.newest("m/1", "answer", 99)
    table.close()
    kept = [int(row["id"], 16) for row in found]
    assert kept == sorted(kept, reverse=True) and kept[0] == 49 and 25 <= len(kept) <= 30
    assert found[0] == vars(answered(49))
