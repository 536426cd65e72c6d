"""What a process that ended couldn't send: the spool that it left, sent by whoever finds it."""

from typing import Any

from mlflow import MlflowClient

from heart_reader.tracking.delivery.lease import TAG, read_lease
from heart_reader.tracking.delivery.outage import waits_for_store
from heart_reader.tracking.delivery.spool import Spool


@waits_for_store
def send_left(client: MlflowClient, spool: Spool) -> int:
    """Sends a spool's points in order; gives how many the store didn't have.

    The run may have gone on elsewhere: steps that it logged since are left out.
    """
    run_id, sent = spool.folder.name, 0
    known: dict[str, set[int]] = {}
    while not spool.empty:
        points, end = spool.pending()
        for key in {point.key for point in points} - set(known):
            history = client.get_metric_history(run_id, key)
            known[key] = {point.step for point in history}
        new = [point for point in points if point.step not in known[point.key]]
        if new:
            client.log_batch(run_id, metrics=new)
        spool.mark_sent(end)
        sent += len(new)
    return sent


@waits_for_store
def send_end(client: MlflowClient, spool: Spool) -> str | None:
    """Ends the run as its process couldn't; gives the status.

    ``None`` where the spool doesn't say, or where another process has taken the run up since.
    """
    run_id, about = spool.folder.name, spool.about()
    status: str | None = about.get("status")
    run = client.get_run(run_id)
    lease = read_lease(run.data.tags.get(TAG))
    taken = lease is not None and lease.process != about.get("process")
    if status is None or taken or run.info.status != "RUNNING":
        return None
    if about.get("error"):
        client.set_tag(run_id, "error", about["error"])
    ended: Any = about.get("ended")
    client.set_terminated(run_id, status, ended)
    return status
