"""The one package here that imports MLflow: runs, batched metrics, artifacts, models."""

from heart_reader.tracking.models import log_bundle, register_files, registered_name
from heart_reader.tracking.permissions import (
    left_behind,
    make_model,
    require_editable,
    require_promoter,
    require_registered_model,
)
from heart_reader.tracking.run import Run
from heart_reader.tracking.runs import (
    child_runs,
    count_runs,
    find_run,
    new_run,
    open_run,
    set_up_reading,
    set_up_tracking,
)
from heart_reader.tracking.versions import (
    ModelVersion,
    download_bundle,
    load_registered,
    resolve_version,
    tag_version,
)

__all__ = [
    "ModelVersion",
    "Run",
    "child_runs",
    "count_runs",
    "download_bundle",
    "find_run",
    "left_behind",
    "load_registered",
    "log_bundle",
    "make_model",
    "new_run",
    "open_run",
    "register_files",
    "registered_name",
    "require_editable",
    "require_promoter",
    "require_registered_model",
    "resolve_version",
    "set_up_reading",
    "set_up_tracking",
    "tag_version",
]
