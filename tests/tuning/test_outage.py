"""Connections that are lost at every request of a trial, and trials that are taken over."""

import os
import signal
from collections.abc import Iterator
from itertools import count

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, OperationalError, PendingRollbackError

from tests.tracking.processes import Store, words
from tests.tracking.trained import Call
from tests.tuning.postgres import Postgres
from tests.tuning.proxy import Proxy, proxy_to
from tests.tuning.test_storage import config
from tests.tuning.test_workers import NAME, SPACE, TINY, assert_complete
from tuning import tune
from tuning.store.patient import PatientStorage, is_outage
from tuning.store.storage import connect

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
pytest_plugins = ["tests.tracking.trained"]


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    with proxy_to(postgres.port) as made:
        yield made


def through(proxy: Proxy, url: str) -> str:
    """The address of a database by way of the proxy."""
    return f"postgresql+psycopg2://postgres@127.0.0.1:{proxy.port}/{url.rpartition('/')[2]}"


def one_trial(study: Study) -> optuna.trial.FrozenTrial:
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    trial.set_user_attr("run", "1")
    trial.report(0.5, 0)
    assert not trial.should_prune()
    return study.tell(trial, x)


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
@pytest.mark.parametrize("answered", [False, True])
def test_a_trial_outlives_a_lost_connection_at_each_of_its_requests(
    postgres: Postgres, proxy: Proxy, answered: bool
):
    url = postgres.create(f"cut_{answered}")
    sampler = optuna.samplers.RandomSampler(0)
    storage, pruner = connect(config(through(proxy, url))), MedianPruner(1, 0)
    study = optuna.create_study(storage=storage, sampler=sampler, pruner=pruner)
    one_trial(study)
    proxy.cut(lambda request: False)
    one_trial(study)
    n_requests = proxy.n_requests
    assert n_requests > 30
    for index in range(n_requests):
        seen = count()
        # Only of a commit does it matter whether the server did what it was asked.
        proxy.cut(
            lambda request, i=index, seen=seen: (
                next(seen) == i and (not answered or request.startswith("COMMIT"))
            ),
            answered,
        )
        done = one_trial(study)
        assert (done.state, done.value) == (TrialState.COMPLETE, done.params["x"]), index
        assert (done.user_attrs, done.intermediate_values) == ({"run": "1"}, {0: 0.5}), index
    # Where the answer to the making of a trial was lost, one is left that no worker works on.
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.COMPLETE) == n_requests + 2
    assert states.count(TrialState.RUNNING) <= int(answered) and len(states) <= n_requests + 3


def test_a_lost_trial_is_queued_once_though_two_workers_declare_it_dead(
    postgres: Postgres, proxy: Proxy
):
    url = postgres.create("twice")
    ours, theirs = connect(config(through(proxy, url))), connect(config(url))
    study = optuna.create_study(storage=theirs, study_name="s")
    trial_id = theirs.create_new_trial(study._study_id)
    proxy.cut(
        lambda request: request.startswith("UPDATE trials"), then=lambda: fail(theirs, trial_id)
    )
    fail(ours, trial_id)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def fail(storage: PatientStorage, trial_id: int) -> None:
    """What a worker does with a trial whose heartbeat is old."""
    study = optuna.load_study(study_name=None, storage=storage)
    assert storage.set_trial_state_values(trial_id, TrialState.FAIL)
    storage.get_heartbeat_stale_trial_callback()(study, storage.get_trial(trial_id))


def test_whatever_a_worker_does_when_its_trial_is_taken_over_the_run_ends_killed(
    call: Call, store: Store, postgres: Postgres, proxy: Proxy
):
    url = postgres.create("taken")
    others = connect(config(url, retries="9"))
    moments = iter(
        f"INSERT INTO trial_{table}"
        for table in ("params", "user_attributes", "intermediate_values", "values")
    )

    def take() -> None:
        (running,) = (t._trial_id for t in studied().trials if t.state == TrialState.RUNNING)
        fail(others, running)
        wait_for_next_moment()

    def studied() -> Study:
        return optuna.load_study(study_name=NAME, storage=others)

    def wait_for_next_moment() -> None:
        moment = next(moments, "nothing")
        proxy.cut(lambda request: moment in request, then=take)

    wait_for_next_moment()
    (store.folder / "space.yaml").write_text(SPACE)
    options = TINY | {"storage": through(proxy, url), "trials": "1", "epochs": "2"}
    called = call(tune.main, store, *words(options))
    assert called.code == 0, called.err
    assert called.err.count("this worker's trial was taken over by another") == 4
    assert_complete(store, url, 1)
    states = [trial.state for trial in studied().trials]
    assert states == [TrialState.FAIL] * 4 + [TrialState.COMPLETE]
    assert [run.info.status for run in store.runs()].count("KILLED") == 4


def test_a_stop_signal_is_heeded_though_the_trial_was_taken_over(
    call: Call, store: Store, postgres: Postgres, proxy: Proxy
):
    url = postgres.create("stopped")
    others = connect(config(url))

    def take_and_stop() -> None:
        study = optuna.load_study(study_name=NAME, storage=others)
        fail(others, study.trials[0]._trial_id)
        os.kill(os.getpid(), signal.SIGTERM)

    proxy.cut(lambda request: "INSERT INTO trial_inter" in request, then=take_and_stop)
    (store.folder / "space.yaml").write_text(SPACE)
    options = TINY | {"storage": through(proxy, url), "trials": "1", "epochs": "2"}
    called = call(tune.main, store, *words(options))
    assert called.code == 128 + signal.SIGTERM, called.err
    (run,) = [run for run in store.runs() if "trial" in run.data.tags]
    assert run.data.tags["state"] == "taken over by another worker"
    states = [trial.state for trial in optuna.load_study(study_name=NAME, storage=others).trials]
    assert states == [TrialState.FAIL, TrialState.WAITING]


def test_what_is_an_outage_and_what_is_not():
    lost = OperationalError("SELECT", None, Exception("server closed the connection"))
    again = PendingRollbackError("Can't reconnect until invalid transaction is rolled back.")
    again.__context__ = lost
    wrapped = StorageInternalError("An exception is raised during the commit.")
    wrapped.__cause__ = again
    assert is_outage(lost) and is_outage(again) and is_outage(wrapped)
    assert not is_outage(PendingRollbackError("This Session's transaction has been rolled back"))
    assert not is_outage(IntegrityError("INSERT", None, Exception("duplicate key")))
