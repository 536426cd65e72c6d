"""The thread beside a run: sends what was spooled, uploads files, and renews the run's lease."""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.lease import SECONDS_BETWEEN_RENEWALS, TAG, my_lease
from heart_reader.tracking.delivery.outage import (
    LONGEST_PAUSE,
    PATIENCE,
    SHORTEST_PAUSE,
    StoreAwayError,
    store_errors,
)
from heart_reader.tracking.delivery.spool import POINTS_PER_REQUEST, Spool

# A request to SQLite takes 40 ms, and an epoch of a small trial less than a second.
SECONDS_BETWEEN_SENDS = 2.0
HOW_TO_SEND = "mlflow run . -e doctor -P fix=true"


class Keeper:
    """Keeps a run alive in the store's eyes, without the training's waiting for the store.

    While the store is away everything stays in the spool, and the thread tries again. What the
    store refuses is raised at the next call.

    Args:
        run_id: whose.
        spool: of the run, or ``None`` where nothing but the lease is kept.
        shared: other processes keep the same run.
    """

    def __init__(self, run_id: str, spool: Spool | None, shared: bool = False) -> None:
        self.run_id, self.spool = run_id, spool
        self._shared = shared
        self._client = MlflowClient()
        self._state = threading.Condition()
        self._uploads: dict[Path, str] = {}
        self._asked = self._closing = self._busy = False
        self._refused: TrackingError | None = None
        self._away_since: float | None = None
        self._said = False  # that the store is away
        self._pause = SHORTEST_PAUSE
        self._try_at = self._send_at = self._renew_at = 0.0
        self._progress_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"keeper {run_id}")
        self._thread.start()

    # ---------------------------------------------------------------- for the run's own thread

    def log(self, points: Sequence[Metric]) -> None:
        """Takes points; they are on disk when it returns, and sent soon.

        Raises:
            TrackingError: the store refused earlier ones.
        """
        if self.spool is None:
            raise TrackingError(f"run {self.run_id} has no spool to log to")
        with self._state, store_errors():
            self._raise_refusal()
            for start in range(0, len(points), POINTS_PER_REQUEST):
                self.spool.append(points[start : start + POINTS_PER_REQUEST])
            self._state.notify_all()

    def upload(self, path: Path, folder: str) -> None:
        """Takes a file to upload soon, as it is then; it must be replaced as a whole only."""
        with self._state:
            self._raise_refusal()
            self._uploads[path] = folder
            self._state.notify_all()

    def flush(self) -> None:
        """Waits until everything is sent.

        Raises:
            TrackingError: the store was away for too long, or refused something.
        """
        with self._state:
            self._asked = True
            self._progress_at = time.monotonic()
            self._state.notify_all()
            try:
                while not self._idle:
                    self._raise_refusal()
                    if time.monotonic() > self._progress_at + PATIENCE.seconds:
                        PATIENCE.give_up()
                        raise TrackingError(self.unsent())
                    self._state.wait(0.1)
            finally:
                self._asked = False
        self._raise_refusal()

    def close(self) -> None:
        """Ends the thread; a spool that wasn't sent stays on disk."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join(timeout=0.0 if self._away_since else 60.0)
        if self.spool is not None:
            self.spool.close()

    def _raise_refusal(self) -> None:
        if self._refused is not None:
            raise self._refused

    @property
    def _idle(self) -> bool:
        sent = self.spool is None or self.spool.empty
        return sent and not self._uploads and not self._busy

    def leave(self, status: str, ended: int, error: str | None) -> None:
        """Notes in the spool how the run ended, for whoever sends it."""
        if self.spool is not None:
            self.spool.describe(status=status, ended=ended, error=error)

    def unsent(self) -> str:
        """The line that says how to send what is left."""
        where = self.spool.folder if self.spool is not None else "memory"
        points = self.spool.count() if self.spool is not None else 0
        return (
            f"run {self.run_id} could not be sent: {points} points and its end wait in {where}; "
            f"when the tracking store is back, send them: {HOW_TO_SEND}"
        )

    # ---------------------------------------------------------------- the thread

    def _work(self) -> None:
        while True:
            with self._state:
                while not self._closing and (wait := self._seconds_to_wait()) > 0:
                    self._state.wait(wait)
                if self._closing:
                    return
                self._busy = True
            try:
                with store_errors():
                    self._send()
            except StoreAwayError as error:
                self._wait_for_store(error)
            except TrackingError as error:
                with self._state:
                    self._refused, self._busy = error, False
                return
            else:
                self._store_answered()

    def _seconds_to_wait(self) -> float:
        due = self._renew_at
        if not self._idle:
            due = min(due, 0.0 if self._asked else self._send_at)
        return max(due, self._try_at) - time.monotonic()

    def _send(self) -> None:
        """One request with points and the lease, and one file."""
        points, end = ([], 0) if self.spool is None else self.spool.pending()
        tags = []
        if time.monotonic() >= self._renew_at:
            tags = [RunTag(TAG, str(my_lease(self._shared)))]
        if points or tags:
            self._client.log_batch(self.run_id, metrics=points, tags=tags)
        if self.spool is not None and points:
            self.spool.mark_sent(end)
        self._send_at = time.monotonic() + SECONDS_BETWEEN_SENDS
        if tags:
            self._renew_at = time.monotonic() + SECONDS_BETWEEN_RENEWALS
        self._upload_one()

    def _upload_one(self) -> None:
        with self._state:
            path, folder = next(iter(self._uploads.items()), (None, ""))
            # Taken out first: what is replaced meanwhile is uploaded again.
            if path is None:
                return
            del self._uploads[path]
        try:
            self._client.log_artifact(self.run_id, str(path), folder)
        except BaseException:
            with self._state:
                self._uploads.setdefault(path, folder)
            raise

    def _wait_for_store(self, error: StoreAwayError) -> None:
        with self._state:
            self._busy = False
            self._away_since = self._away_since or time.monotonic()
            if self._pause == 2 * SHORTEST_PAUSE:  # once failed is no outage
                self._said = True
                print(f"going on without the store, metrics are kept: {error}", file=sys.stderr)
            self._try_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._state.notify_all()

    def _store_answered(self) -> None:
        with self._state:
            self._busy = False
            if self._said and self._away_since is not None:
                seconds = time.monotonic() - self._away_since
                print(f"the store is back after {seconds:.0f} s", file=sys.stderr)
            self._away_since, self._said = None, False
            self._pause, self._try_at = SHORTEST_PAUSE, 0.0
            self._progress_at = time.monotonic()
            self._state.notify_all()
