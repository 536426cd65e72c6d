"""Entry point ``card``: a model card from what the registry and the runs hold of a version.

python -m registry.model_card --model heart-reader-ensemble@champion
"""

import json
import time
from collections.abc import Mapping, Sequence

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.data.demo.marks import DEMO, KEY, marked
from heart_reader.errors import ConfigError, TrackingError
from heart_reader.evaluation.tables import markdown_table
from heart_reader.tasks.task import MANY, default_task
from heart_reader.tracking import ModelVersion, Run, resolve_version
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import figures_of
from heart_reader.tracking.runs import run_page
from registry.client import LONGEST_DESCRIPTION, Registry, pinned, short_name
from registry.ground.said import ecg_of, limits_of, own_data_of, signal_of, task_of
from registry.trust.applied_card import FILE as APPLIED
from registry.trust.applied_card import Facts, applied_card

FILE = "model_card.md"
FOLDS = {"val": "fold 9", "test": "fold 10"}
RECIPE = (
    "model.backbone", "features.source", "training.epochs", "training.loss",
    "training.learning_rate", "training.batch_size", "seed", "data.root",
    "ensemble.method", "ensemble.n_groups",
)  # fmt: skip


def main(words: Sequence[str]) -> None:
    """Reads the options, and writes the card."""
    options = dotted_options(words)
    if set(options) != {"model"}:
        raise ConfigError(
            f"card takes --model NAME@ALIAS or NAME/VERSION and nothing else, "
            f"but was given {', '.join(sorted(options)) or 'nothing'}"
        )
    tracking.set_up_tracking()
    version = resolve_version(options["model"])
    with tracking.open_run(f"card {pinned(version)}") as run:
        run.set_tags({"model": version.uri, "model_run_id": version.run_id})
        write_card(Registry(), version)
    print(f"wrote the card of {pinned(version)}")


def write_card(registry: Registry, version: ModelVersion) -> None:
    """The card as the version's description (what fits) and, whole, as an artifact of its run."""
    tags = registry.tags(version)
    whole = render(version, tags, sites=True)
    if version.run_id:
        run = Run(version.run_id)
        run.log_text(whole, FILE)
        run.log_text(applied_card(facts_of(registry, version, tags)), APPLIED)
    short = whole if len(whole) <= LONGEST_DESCRIPTION else render(version, tags, sites=False)
    registry.describe(version, short)
    registry.set_tags(version, {"card/test_run_id": tags.get("test/run_id", "none")})


def facts_of(registry: Registry, version: ModelVersion, tags: Mapping[str, str]) -> Facts:
    """What the card in CHAI's form is made of."""
    run = Run(version.run_id)
    tested = figures_of(Run(tags["test/run_id"])) if "test/run_id" in tags else {}
    figures, recipe = figures_of(run) | tested, run.params()
    synthetic = KEY in tags or DEMO in (recipe.get("data.root"), recipe.get("made.data.root"))
    read, own = signal_of(recipe), own_data_of(recipe)
    ecg, made = ecg_of(read), registry.entity(version).creation_timestamp / 1000
    return Facts(
        version.name, version.version, time.strftime("%Y-%m-%d", time.gmtime(made)),
        f"Gate: {tags.get('gate', 'not judged')}.", _about(tags, figures, own, ecg),
        limits_of(tags, synthetic, own, read), _recipe(recipe), _data(synthetic, own),
        f"{ecg}, {read.seconds:g} s at {read.fs} Hz, mV", _classes(figures, {}),
        recipe.get("model.backbone", short_name(version.name)), synthetic, figures,
    )  # fmt: skip


def render(version: ModelVersion, tags: Mapping[str, str], sites: bool) -> str:
    """The Markdown of a card.

    Args:
        version: whose card it is.
        tags: of the version.
        sites: whether the subgroups by recording site are in it.
    """
    run = Run(version.run_id) if version.run_id else None
    validated = {} if run is None else figures_of(run)
    tested = figures_of(Run(tags["test/run_id"])) if "test/run_id" in tags else {}
    recipe = {} if run is None else run.client.get_run(run.run_id).data.params
    synthetic = KEY in tags or DEMO in (recipe.get("data.root"), recipe.get("made.data.root"))
    read, own = signal_of(recipe), own_data_of(recipe)
    parts = [
        f"# {marked(pinned(version), synthetic)}",
        _about(tags, validated | tested, own, ecg_of(read)),
        f"## Metrics\n\n{_metrics(validated, tested, whole=sites)}\n\n{_looks(tags)}",
        f"## Data\n\n{_data(synthetic, own)} Digest of folds 1 to "
        f"9 `{tags.get('data_digest', 'unknown')}`, of fold 10 "
        f"`{tags.get('test/data_digest', 'not tested')}`.",
        f"## Training\n\n{_recipe(recipe)}",
        f"## Intended use and limits\n\n{limits_of(tags, synthetic, own, read)}",
        f"## Lineage\n\n{_lineage(version, tags)}",
        f'## Loading\n\n```python\nmlflow.pyfunc.load_model("{version.uri}")'
        f'.predict({{"signal": signal}})  # mV, float32 (n, {read.n_leads}, {read.n_times})\n```',
    ]
    groups = _subgroups(tested, sites)
    if groups:
        parts.insert(3, f"## Subgroups of fold 10\n\n{groups}")
    return "\n\n".join(parts) + "\n"


def _data(synthetic: bool, own: str) -> str:
    name = "Synthetic ECGs" if synthetic else f"`{own}`" if own else "PTB-XL"
    return f"{name}, folds 1 to 8 to train, 9 to choose, 10 to test."


def _about(tags: Mapping[str, str], values: Mapping[str, float], own: str, ecg: str) -> str:
    source = f"`{own}`" if own else "PTB-XL"
    if task_of(tags) == default_task().name:
        return f"Five superclasses of {source}, several at once, from {ecg}."
    judged = {key: values[key] for key in ("val/n_classes", "test/n_classes") if key in values}
    over = ", ".join(
        f"{n:.0f} with a positive and a negative in {FOLDS[key[:-10]]}"
        for key, n in judged.items()
    )
    counted = f": {over}; every mean is over these" if over else ""
    asked = f"Task {task_of(tags)} of {source}, several classes at once"
    return f"{asked}, from {ecg}{counted}."


def _metrics(validated: Mapping[str, float], tested: Mapping[str, float], whole: bool) -> str:
    def cell(values: Mapping[str, float], key: str) -> str:
        if key not in values:
            return ""
        low, high = values.get(f"{key}_low95"), values.get(f"{key}_high95")
        interval = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
        return f"{values[key]:.4f}{interval}"

    names = {"macro AUC": "macro_auc"}
    classes = _classes(validated, tested)
    shown = classes if whole else classes[:MANY]
    names |= {f"AUC {name}": f"auc_{name}" for name in shown}
    names |= {"F_max": "f_max", "calibration error": "ece", "Brier": "brier"}
    rows = [
        (name, cell(validated, f"val/{key}"), cell(tested, f"test/{key}"))
        for name, key in names.items()
    ]
    table = markdown_table(("", "fold 9 (95%)", "fold 10 (95%)"), rows)
    if len(shown) == len(classes):
        return table
    return f"{table}\n\nThe {MANY} worst of {len(classes)} classes; {FILE} has all."


def _classes(validated: Mapping[str, float], tested: Mapping[str, float]) -> Sequence[str]:
    """Whose AUC was logged: in the order of the default task; of another one by name, of one with
    many classes the worst on fold 9 first."""
    keys = {key.partition("/auc_")[2] for key in (*validated, *tested) if "/auc_" in key}
    found = {key for key in keys if f"{key}_low95" in keys} or keys
    known = default_task().classes
    if found <= set(known):
        return [name for name in known if name in found] if found else known
    if len(found) <= MANY:
        return sorted(found)
    return sorted(found, key=lambda name: (validated.get(f"val/auc_{name}", 1.0), name))


def _looks(tags: Mapping[str, str]) -> str:
    if "test/evaluations" not in tags:
        return "Not evaluated on fold 10 yet."
    times, run = tags["test/evaluations"], _run(tags["test/run_id"])
    return f"Evaluated on fold 10 {times} time(s), run {run}."


def _subgroups(tested: Mapping[str, float], sites: bool) -> str:
    suffix = "/n_records"
    names = [
        key.removeprefix("test/").removesuffix(suffix) for key in tested if key.endswith(suffix)
    ]
    rows = [
        _subgroup_row(name, tested)
        for name in sorted(names)
        if sites or not name.startswith("site/")
    ]
    return markdown_table(("subgroup", "records", "macro AUC (95%)"), rows) if rows else ""


def _subgroup_row(name: str, tested: Mapping[str, float]) -> Sequence[str]:
    key = f"test/{name}/macro_auc"
    n_records = f"{tested[f'test/{name}/n_records']:.0f}"
    if f"{key}_low95" not in tested:
        return name, n_records, "too few of a class"
    interval = f"{tested[f'{key}_low95']:.3f} to {tested[f'{key}_high95']:.3f}"
    return name, n_records, f"{tested[key]:.4f} ({interval})"


def _recipe(params: Mapping[str, str]) -> str:
    there = [f"{key} {params[key]}" for key in RECIPE if key in params]
    return ", ".join(there) or "made elsewhere: see the run"


def _lineage(version: ModelVersion, tags: Mapping[str, str]) -> str:
    lines = [f"- Run {_run(version.run_id)}"]
    runs = tags.get("member_runs", "").split(",")
    for member, run_id in zip(
        filter(None, tags.get("members", "").split(",")), runs, strict=False
    ):
        name, _, number = member.partition("/")
        lines.append(f"- Member [{member}](#/models/{name}/versions/{number}), run {_run(run_id)}")
    if "init" in tags:
        lines.append(f"- Fine-tuned from `{tags['init']}`")
    if "thresholds_of" in tags:
        lines.append(f"- Thresholds changed of `{tags['thresholds_of']}`")
    if "weights" in tags:
        lines.append(f"- Weights: {weights_text(tags['weights'])}")
    if "gate" in tags:
        reason = tags.get("gate_reason", "")
        judged = f", run {_run(tags['gate_run'])}" if "gate_run" in tags else ""
        lines.append(f"- Gate: {tags['gate']}{f', {reason}' if reason else ''}{judged}")
    return "\n".join(lines)


def _run(run_id: str) -> str:
    """A link to its page; a run that this store doesn't have is named only."""
    try:
        return f"[`{run_id}`]({run_page(run_id)})" if run_id else "unknown"
    except TrackingError:
        return f"`{run_id}`"


def weights_text(text: str) -> str:
    """Each member's weight, or its weights by class where they differ.

    >>> weights_text('{"a": [0.3, 0.3], "b": [0.7, 0.6]}')
    'a 0.300, b 0.700/0.600'

    A tag is whatever somebody wrote:

    >>> weights_text("[1")
    "'[1', which can't be read"
    """
    try:
        tree = json.loads(text)
        weights = {name: [f"{value:.3f}" for value in each] for name, each in tree.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return f"{text[:50]!r}, which can't be read"
    return ", ".join(f"{name} {_once(each)}" for name, each in weights.items())


def _once(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else "/".join(values)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
