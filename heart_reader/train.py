"""Entry point ``train``: fit one backbone or several, log them, register the candidates.

python -m heart_reader.train --config demo --backbone se_resnet1d --training.epochs 4
python -m heart_reader.train --resume RUN_ID
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from heart_reader.bundle.evidence import patients_of
from heart_reader.bundle.provenance import config_hash, git_commit, provenance
from heart_reader.bundle.scoring import judged_by_set
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import Config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.demo.marks import KEY, data_set, made_of, marked
from heart_reader.data.labelled import data_name, task_name
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.errors import DataError
from heart_reader.evaluation import report
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.plots.training_curves import training_curves
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.tables import fold_profile
from heart_reader.evaluation.trust.made import calibrated_values, write_made
from heart_reader.files import cache_folder
from heart_reader.fitting import Prepared, lead_sets_in, make_trainer, make_trusted, prepare
from heart_reader.project import CONFIG_DEFAULTS, REPOSITORY
from heart_reader.reading.explain import write_explained_sheets
from heart_reader.tracking import Run, log_bundle, registered_name, require_registered_model
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import log_figures
from heart_reader.training.callbacks import CheckpointWriter, MetricLogger
from heart_reader.training.checkpoint import load_checkpoint
from heart_reader.training.trainer import FitResult, Trainer
from heart_reader.trainings import text as train_text
from heart_reader.trainings.initial import start_of
from heart_reader.trainings.job import Job, job_of, read_request

LAST_CHECKPOINT = "checkpoints/last.safetensors"


def main(words: Sequence[str]) -> None:
    """Reads the options, trains, and prints the table."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    train_text.print_trained(train(job_of(request)))


# ---------------------------------------------------------------- the flow


def train(job: Job) -> list[train_text.TrainedBackbone]:
    """Trains every backbone of a job, each in a run of its own, below one parent if several."""
    resumed_id = job.resumed.run_id if job.resumed else None
    if job.resumed:
        tracking.continue_experiment(job.resumed)
    single, start = len(job.backbones) == 1, start_of(job.config)
    name = None if job.resumed else train_text.run_name(job.config, job.backbones)
    require_registered_models(job)
    with (
        tracking.open_run(name, resumed_id, system_metrics=single) as run,
        train_text.resume_told(run.run_id),
    ):
        log_job(run, job)
        records = load_development(
            job.config.data,
            job.config.task,
            job.config.features,
            cache_folder(),
            job.config.signal,
        )
        train_text.print_records(records)
        log_records(run, records, job.config)
        prepared = prepare(records, start=start)
        if single:
            return [train_backbone(run, job.config, prepared)]
        trained = [train_child(run, config, job.tags, prepared) for config in job.configs]
        run.describe(train_text.comparison(trained, job.config, records))
        return trained


def require_registered_models(job: Job) -> None:
    """The registered models of a job's backbones, before hours of work.

    Raises:
        TrackingError: the user may not register versions there.
    """
    task = task_name(job.config.data.root, job.config.task)
    for backbone in job.backbones:
        require_registered_model(registered_name(backbone, task), task)


def train_child(
    parent: Run, config: Config, tags: Mapping[str, str], prepared: Prepared
) -> train_text.TrainedBackbone:
    """One backbone below a parent run; begun, continued or, where it is finished, left alone."""
    backbone = config.model.backbone
    earlier = {child.data.tags.get("backbone"): child for child in tracking.child_runs(parent)}
    found = earlier.get(backbone)
    if found is not None and found.info.status == "FINISHED":
        return train_text.finished_backbone(Run(found.info.run_id))
    run_id = found.info.run_id if found is not None else None
    with tracking.open_run(None if found else backbone, run_id, True, True) as run:
        log_job(run, Job((config,), None, tags))
        log_records(run, prepared.records, config)
        return train_backbone(run, config, prepared)


def train_backbone(run: Run, config: Config, prepared: Prepared) -> train_text.TrainedBackbone:
    """Fit, judge on fold 9, log, register."""
    backbone = config.model.backbone
    started = time.perf_counter()
    run.set_tags({"backbone": backbone})
    print(f"\n{backbone}", file=sys.stderr)
    result = fit(run, make_trainer(prepared, config))
    made_by = provenance(config, prepared.records, run.run_id, result.best_epoch)
    bundle, trusted = make_trusted(prepared, config, result, made_by)
    scored, n_bins = trusted.own, config.evaluation.n_bins
    values = report.metrics_with_intervals(scored, config.evaluation)
    values |= calibrated_values(trusted, n_bins)
    bundle = replace(bundle, provenance={**bundle.provenance, "validation": values})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_report(folder / "report", scored, values, result, config, prepared.records)
        about = prepared.records.metadata.iloc[scored.rows]
        write_made(trusted, config.evaluation, folder / "report", about)
        write_explained_sheets(
            bundle,
            scored,
            prepared.records,
            config.evaluation.n_sheets,
            folder / "report" / "explained",
            marked(backbone, made_of(prepared.records.metadata)),
        )
        by_set = judged_by_set(bundle, prepared.records, lead_sets_in(config, prepared.records))
        if len(by_set):
            by_set.to_csv(folder / "report" / "lead_sets.csv", index=False, float_format="%.4f")
        run.log_folder(folder / "report")
        bundle.save(folder / "bundle")
        tags = train_text.version_tags(config, prepared.records, values)
        text = train_text.version_text(config, values, prepared.records)
        version = log_bundle(folder / "bundle", backbone, text, tags)
    # A point behind the last epoch: what the UI sorts by is then the registered model's score.
    final = {f"val/{key}": value for key, value in values.items()}
    log_figures(run, final, len(result.history), version.model_id, once=True)
    n_parameters = sum(p.numel() for p in bundle.model.parameters())
    seconds = time.perf_counter() - started
    trained = train_text.TrainedBackbone(
        backbone,
        version.uri,
        values,
        n_parameters,
        seconds,
        run.run_id,
        made_of(prepared.records.metadata),
    )
    aucs = {
        f"val_leads/{name}": float(auc)
        for name, auc in (by_set[["leads", "macro_auc"]].to_numpy() if len(by_set) else ())
    }
    run.log_once({"n_parameters": n_parameters, "seconds": seconds, **aucs}, 0)
    run.set_tags({"model": version.uri})
    text = train_text.run_text(trained, config, prepared.records, result)
    run.describe(text + train_text.lead_sets_text(by_set))
    run.flush()  # the last checkpoint may be on its way
    shutil.rmtree(work_folder(run), ignore_errors=True)
    return trained


def fit(run: Run, trainer: Trainer) -> FitResult:
    """Trains to the end, from the run's last checkpoint where it has one."""
    folder = work_folder(run) / "checkpoints"
    last = folder / "last.safetensors"
    if not last.exists():
        run.download(LAST_CHECKPOINT, folder.parent)
    if last.exists():
        trainer.restore(load_checkpoint(last))
    metrics = MetricLogger(run.log_metrics, run.last_step("epoch_seconds"))
    checkpoints = CheckpointWriter(
        trainer, folder, lambda path: run.upload_soon(path, "checkpoints")
    )
    try:
        result = trainer.fit([metrics, checkpoints])
    finally:
        # However the fit ends, by a signal too, another machine can go on from here.
        checkpoints.upload_all()
    run.log_once({"tracking_share": metrics.seconds / result.seconds}, 0)
    return result


def work_folder(run: Run) -> Path:
    """Where a run keeps what it needs to go on; removed when it is registered."""
    return cache_folder() / "runs" / run.run_id


# ---------------------------------------------------------------- what is logged


def log_job(run: Run, job: Job) -> None:
    """The resolved configuration, as params and as a file, and what it was run with."""
    params = [flatten(to_dict(config)) for config in job.configs]
    # Tuned backbones differ in more than their names; what differs is in the runs below.
    differs = {key for each in params for key in each if each[key] != params[0][key]}
    differs -= {"model.backbone"}
    run.log_params({key: value for key, value in params[0].items() if key not in differs})
    run.log_text(train_text.as_yaml(job.config), "config.yaml")
    if differs:
        for config in job.configs:
            run.log_text(train_text.as_yaml(config), f"configs/{config.model.backbone}.yaml")
    run.set_tags(
        {
            **job.tags,
            "backbones": ",".join(job.backbones),
            "task": task_name(job.config.data.root, job.config.task),
            "config_hash": config_hash(job.config),
            "git_commit": git_commit(REPOSITORY),
        }
    )


def log_records(run: Run, records: Records, config: Config) -> None:
    """The data sets that the run reads, with digest and counts.

    Raises:
        DataError: a resumed run began with other data.
    """
    digest, before = records.digest[:16], run.tags().get("data_digest")
    if before not in {None, digest}:
        raise DataError(
            f"run {run.run_id} began with data of digest {before}, but {config.data.root} now has "
            f"{digest}: put the data back, or start a new run"
        )
    synthetic = made_of(records.metadata)
    run.set_tags({"data_digest": digest} | ({KEY: "true"} if synthetic else {}))
    for context, folds in (("training", TRAIN_FOLDS), ("validation", (VALIDATION_FOLD,))):
        profile = fold_profile(records, folds)
        source = str(config.data.root)
        name = data_set(context, synthetic, data_name(source))
        run.log_dataset(name, records.digest, source, context, profile)


def write_report(
    folder: Path,
    scored: Scored,
    values: dict[str, float],
    result: FitResult,
    config: Config,
    records: Records,
) -> None:
    """Plots, sheets and fold-9 predictions, as they lie in the run's artifacts."""
    plots = folder / "plots"
    plots.mkdir(parents=True)
    backbone = marked(config.model.backbone, made_of(records.metadata))
    n_sheets = config.evaluation.n_sheets
    report.write_plots(scored, values, config.evaluation.n_bins, plots, f"{backbone}, fold 9")
    save(training_curves(result.history), plots / "training_curves.png")
    report.write_sheets(scored, records, n_sheets, folder / "sheets", backbone)
    if records.features is not None:
        report.write_beat_sheets(scored, records, n_sheets, folder / "beats")
    # Whoever chooses on these scores keeps a patient's records together.
    frame = report.frame_of(scored, records).assign(patient_id=patients_of(records, scored.rows))
    frame.to_parquet(folder / "predictions_fold9.parquet", index=False)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, CONFIG_DEFAULTS))
