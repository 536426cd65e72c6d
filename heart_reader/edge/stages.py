"""The stages of an export: each makes a model, measures it, and must keep what it promises."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from heart_reader.bundle.evidence import patients_of
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.single import Bundle
from heart_reader.config.load import Config
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.edge.budget import require_budget
from heart_reader.edge.choices import (
    device_file,
    distill_of,
    form_of,
    ratio_of,
    sample_of,
    stages_for,
    student_of,
)
from heart_reader.edge.config import C_KIT, EdgeConfig
from heart_reader.edge.device.folder import write_device_folder
from heart_reader.edge.eager import EagerModel, count_macs, count_parameters
from heart_reader.edge.formats.base import Part, Source
from heart_reader.edge.formats.onnx_format import FP32
from heart_reader.edge.formats.table import FORMATS, load_runtime
from heart_reader.edge.measure import Predictor, predict_all
from heart_reader.edge.network.device_model import device_model
from heart_reader.edge.network.finetune import finetuned, remeasured, some_rows
from heart_reader.edge.network.prune import pruned
from heart_reader.edge.sample import Array, Sample
from heart_reader.edge.stage import (
    AT_ONCE,
    FINETUNED,
    ORIGINAL,
    PRUNED,
    Stage,
    differs,
    kept,
    naming,
)
from heart_reader.edge.web.making import Shown, add_page, runtime_for, signal_form
from heart_reader.edge.web.runtime import BrowserRuntime
from heart_reader.errors import ModelError, RefusedByGateError
from heart_reader.evaluation.bootstrap import Difference, compare, draw
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.evaluation.paired.decision import is_lost, records_needed
from heart_reader.models.views import WHOLE

DEVICE, FILES, PYTORCH = "device", "files", "pytorch"  # folders


@dataclass
class Exporter:
    """Makes the stages, one after the other; each stands on what the last one left.

    Attributes:
        source: what is exported; an ensemble becomes one student.
        records: development records with the features that the source reads.
        config: of the science: the fine-tuning's recipe.
        chosen: of the export.
        folder: where bundles and files are written.
        say: is told of each stage.
    """

    source: AnyBundle
    records: Records
    config: Config
    chosen: EdgeConfig
    folder: Path
    say: Callable[[str], None]
    stages: list[Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.form = form_of(self.source, self.chosen.form)
        self.rows = self.records.rows((VALIDATION_FOLD,))
        self.sample = sample_of(self.records, self.rows, self.form)
        self.y_true = self.records.y_true[self.rows]
        self.student = student_of(self.source, self.chosen.student)
        self.runtime: BrowserRuntime | None = None

    def run(self) -> Sequence[Stage]:
        """All stages that were chosen.

        Raises:
            ModelError: a stage that fails; it is named.
            RefusedByGateError: the network, or every file, keeps less than it must.
            NoRuntimeError: a web page is wanted whatever happens, and can't be made.
        """
        self.runtime = runtime_for(self.chosen.web, self.say)
        with naming(ORIGINAL):
            self._bundle_stage(ORIGINAL, self.source, "")
        if self.student.views != WHOLE:
            with naming(AT_ONCE):
                self._ask_about_the_whole()
        wanted = stages_for(self.student, self.chosen, self.say)
        train = "finetune" in wanted and self.chosen.finetune.epochs > 0
        if not train and len(self.source.members) > 1:
            raise ModelError(
                "an ensemble is exported as one student that learns from it: stage 'finetune' and "
                "finetune.epochs of at least 1 are needed"
            )
        if "prune" in wanted:
            with naming(PRUNED):
                self._prune(train)
        if train:
            with naming(FINETUNED):
                self._finetune()
        if len(self.stages) > 1:
            self._judge_network()
        self._write_files(wanted)
        require_budget(self.stages, self.chosen.prune.budget)
        if not any(stage.on_device for stage in self.stages):
            reasons = "; ".join(stage.left_out for stage in self.stages if stage.left_out)
            raise RefusedByGateError(f"{reasons}: nothing is registered")
        return self.stages

    def write_device_folder(self, source: Mapping[str, str]) -> Path:
        """The files with their labels, input contract and example; thresholds of each its own,
        by the source's rule."""
        patients = patients_of(self.records, self.rows)
        files = [
            device_file(stage.path, self.source, self.y_true, stage.y_score, patients)
            for stage in self.stages
            if stage.on_device
        ]
        encoder = self.student.encoder if self.form == "fused" else None
        task, spec = self.student.task, self.student.spec
        left_out = {stage.path.name: stage.left_out for stage in self.stages if stage.left_out}
        kit = C_KIT in self.chosen.wanted
        write_device_folder(
            self.folder / DEVICE, files, encoder, source, task, spec, left_out, kit
        )
        if self.runtime is not None:
            make = partial(self._shown, source)
            add_page(self.folder / DEVICE, make, self.runtime, self.chosen.web, self.say)
        return self.folder / DEVICE

    def _shown(self, source: Mapping[str, str]) -> Shown:
        """The student by its signal alone: of a fused one a file that no other format has."""
        if self.form == "fused":
            path = self.folder / FILES / "heart_reader.signal.onnx"
            y_score = signal_form(self.student, self.sample, path, self.chosen.parity)
        else:
            fp32 = next(stage for stage in self.stages if stage.name == FP32)
            path, y_score = kept(fp32).path, fp32.y_score
        patients = patients_of(self.records, self.rows)
        file = device_file(path, self.source, self.y_true, y_score, patients)
        auc, difference = self._auc(y_score), self._difference(y_score)
        fused, n = self.form == "fused", len(self.y_true)
        return Shown(file, self.student, source, fused, auc, difference, n)

    # ------------------------------------------------------------ in PyTorch

    def _ask_about_the_whole(self) -> None:
        """A device computes one pass over the record; what that costs is seen like any loss."""
        left = self.student.views
        self.student = replace(self.student, views=WHOLE)
        self._bundle_stage(AT_ONCE, self.student, f"asked about {WHOLE}, not {left}")

    def _prune(self, train: bool) -> None:
        chosen = self.chosen.prune
        epochs = min(chosen.search_epochs, self.chosen.finetune.epochs) if train else 0
        ratio = ratio_of(
            self.student, self.form, chosen, lambda r: self._loss_at(r, epochs), self.say
        )
        if ratio:
            self.student = self._thinner(ratio)
        self._bundle_stage(PRUNED, self.student, f"{ratio:.4g} of the channels gone")

    def _thinner(self, ratio: float) -> Bundle:
        chosen, generator = self.chosen.prune, np.random.default_rng(self.config.seed)
        thin = pruned(self.student, ratio, chosen.round_to)
        return remeasured(thin, self.records, chosen.n_records, generator)

    def _loss_at(self, ratio: float, epochs: int) -> float:
        thin = self._thinner(ratio)
        if epochs:
            thin = self._trained(thin, epochs)
        y_score = predict_all(EagerModel(thin), self.sample)
        return self._auc(self.stages[0].y_score) - self._auc(y_score)

    def _finetune(self) -> None:
        epochs = self.chosen.finetune.epochs
        self.student = self._trained(self.student, epochs)
        self._bundle_stage(FINETUNED, self.student, f"{epochs} epochs")

    def _trained(self, bundle: Bundle, epochs: int) -> Bundle:
        distill = distill_of(self.source, self.form, self.chosen.finetune)
        chosen = replace(self.chosen.finetune, epochs=epochs, distill=distill)
        return finetuned(bundle, self.source, self.records, self.config, chosen, self.form)[0]

    def _bundle_stage(self, name: str, bundle: AnyBundle, notes: str) -> None:
        path = self.folder / PYTORCH / name
        bundle.save(path)
        self._add(name, path, EagerModel(bundle), bundle, notes)

    # ------------------------------------------------------------ files

    def _write_files(self, wanted: Sequence[str]) -> None:
        folder = self.folder / FILES
        folder.mkdir(parents=True, exist_ok=True)
        model, converter = device_model(self.student, self.form), self.chosen.converter
        source = Source(model, folder, self._calibration, converter)
        for each in FORMATS.values():
            for part in each.parts:
                if part.stage is None or part.stage in wanted:
                    with naming(part.title):
                        self._write(part, source)

    def _write(self, part: Part, source: Source) -> None:
        for made in part.make(source):
            runtime = load_runtime(made.path)
            self._add(made.title, made.path, runtime, self.student, made.notes)
            self._judge_file(self.chosen.parity.bar(made.precision))

    def _calibration(self) -> tuple[Sample, Sample]:
        """Records of folds 1 to 8 that ranges are measured on, and others to judge by."""
        chosen, generator = self.chosen.quantize, np.random.default_rng(self.config.seed)
        rows = some_rows(self.records, chosen.n_calibrate + chosen.n_judge, generator)
        rows = generator.permutation(rows)
        n = min(chosen.n_calibrate, len(rows) // 2)  # small sets: one half each
        calibrate, judge = (sample_of(self.records, r, self.form) for r in (rows[:n], rows[n:]))
        return calibrate, judge

    # ------------------------------------------------------------ judging

    def _add(
        self, name: str, path: Path, predictor: Predictor, bundle: AnyBundle, notes: str
    ) -> Stage:
        y_score = predict_all(predictor, self.sample)
        macs = count_macs(bundle, self.form == "fused")
        stage = Stage(name, path, predictor, count_parameters(bundle), macs, y_score, notes)
        self.stages.append(stage)
        number = len(self.stages)
        said = f"{number}. {name}: macro AUC {self._auc(y_score):.4f} on fold 9"
        self.say("; ".join(filter(None, (said, notes))))
        return stage

    def _auc(self, y_score: Array) -> float:
        return float(macro_auc(self.y_true, y_score))

    def _judge_network(self) -> None:
        """The files are made from it: what it has lost, all of them have.

        Raises:
            RefusedByGateError: it loses more than it may.
        """
        lost, note = self._loss(self.stages[-1])
        if lost:
            raise RefusedByGateError(f"{lost}: nothing is registered")
        self._note(note)

    def _judge_file(self, bar: float | None) -> None:
        """Leaves the newest file out where it differs or loses more than it may."""
        stage = self.stages[-1]
        lost, note = self._loss(stage)
        exact = [each for each in self.stages if not each.is_file][-1]
        n = self.chosen.parity.n_records
        reasons = [] if bar is None else differs(stage, exact, n, bar)
        reasons += [lost] if lost else []
        self._note(note)
        if reasons:
            self.stages[-1] = replace(self.stages[-1], left_out="; ".join(reasons))
            self.say(f"left out: {self.stages[-1].left_out}")

    def _note(self, note: str) -> None:
        """Adds to the notes of the newest stage."""
        if note:
            stage = self.stages[-1]
            self.stages[-1] = replace(stage, notes="; ".join(filter(None, (stage.notes, note))))
            self.say(f"{stage.name}: {note}")

    def _loss(self, stage: Stage) -> tuple[str, str]:
        """What is wrong with a stage's macro AUC, and what is to be known of it, or ""."""
        allowed = self.chosen.parity.max_auc_loss
        if self._auc(self.stages[0].y_score) - self._auc(stage.y_score) <= allowed:
            return "", ""
        found = self._difference(stage.y_score)
        low, high = found.interval_95
        said = (
            f"loses {-found.value:.4f} of the original's macro AUC on fold 9 (95% paired interval "
            f"of the difference {low:+.4f} to {high:+.4f}), and may lose {allowed:g} "
            "(parity.max_auc_loss)"
        )
        if is_lost(found, allowed):
            return f"stage {stage.name!r} {said}", ""
        n = records_needed(found, allowed, len(self.y_true))
        return "", f"{said}: {len(self.y_true)} records can't tell it from chance, {n:,} could"

    def _difference(self, y_score: Array) -> Difference:
        """Of macro AUC to the original's."""
        generator = np.random.default_rng(self.config.seed)
        resamples = draw(self.y_true, self.chosen.measure.n_resamples, generator)
        return compare(self.y_true, y_score, self.stages[0].y_score, resamples).macro
