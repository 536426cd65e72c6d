"""Entry point ``card``: a model card from what the registry and the runs hold of a version.

python -m registry.model_card --model heart-reader-ensemble@champion
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.data.demo.marks import DEMO, KEY, SYNTHETIC, marked
from heart_reader.data.manifest import is_manifest
from heart_reader.data.spec import PTBXL_SIGNAL, SignalConfig, SignalSpec
from heart_reader.errors import ConfigError, TrackingError
from heart_reader.evaluation.tables import markdown_table
from heart_reader.evaluation.thresholds import REMEMBERED, YOUDEN
from heart_reader.tasks.task import MANY, default_task
from heart_reader.tracking import ModelVersion, Run, resolve_version
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.figures import figures_of
from heart_reader.tracking.runs import run_page
from registry.client import LONGEST_DESCRIPTION, Registry, pinned

FILE = "model_card.md"
FOLDS = {"val": "fold 9", "test": "fold 10"}
RECIPE = (
    "model.backbone", "features.source", "training.epochs", "training.loss",
    "training.learning_rate", "training.batch_size", "seed", "data.root",
    "ensemble.method", "ensemble.n_groups",
)  # fmt: skip
LIMITS = """Research on {signal} in mV: support for reading, never a \
diagnosis. Not a medical device. {source}The classes are \
{what} by readers, not outcomes. Thresholds were chosen on fold 9 by the \
rule `{rule}`: set them anew for other prevalences (entry point `thresholds`). Probabilities \
aren't calibrated beyond the error given."""
FROM_PTBXL = """Trained on PTB-XL (one country, one maker's devices, 1989 to \
1996): other devices, countries, children and paced rhythms aren't proven. """
FROM_OWN = """Trained on records of the user's own, `{data}`: whom they stand for is for their \
owner to say. """
MADE_UP = f"""**Trained on {SYNTHETIC} ECGs**, made by this project's own generator: for trying \
the tools. What it says of a real ECG means nothing. Not a medical device."""


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
        Run(version.run_id).log_text(whole, FILE)
    short = whole if len(whole) <= LONGEST_DESCRIPTION else render(version, tags, sites=False)
    registry.describe(version, short)
    registry.set_tags(version, {"card/test_run_id": tags.get("test/run_id", "none")})


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
    read, own = _signal(recipe), _own_data(recipe)
    data = "Synthetic ECGs" if synthetic else f"`{own}`" if own else "PTB-XL"
    parts = [
        f"# {marked(pinned(version), synthetic)}",
        _about(tags, validated | tested, own, _ecg(read)),
        f"## Metrics\n\n{_metrics(validated, tested, whole=sites)}\n\n{_looks(tags)}",
        f"## Data\n\n{data}, folds 1 to 8 to train, 9 to choose, 10 to test. Digest of folds 1 to "
        f"9 `{tags.get('data_digest', 'unknown')}`, of fold 10 "
        f"`{tags.get('test/data_digest', 'not tested')}`.",
        f"## Training\n\n{_recipe(recipe)}",
        f"## Intended use and limits\n\n{_limits(tags, synthetic, own, read)}",
        f"## Lineage\n\n{_lineage(version, tags)}",
        f'## Loading\n\n```python\nmlflow.pyfunc.load_model("{version.uri}")'
        f'.predict({{"signal": signal}})  # mV, float32 (n, {read.n_leads}, {read.n_times})\n```',
    ]
    groups = _subgroups(tested, sites)
    if groups:
        parts.insert(3, f"## Subgroups of fold 10\n\n{groups}")
    return "\n\n".join(parts) + "\n"


def _task(tags: Mapping[str, str]) -> str:
    """Versions of a time when there was one task don't say which."""
    return tags.get("task", default_task().name)


def _own_data(recipe: Mapping[str, str]) -> str:
    """The name of the user's manifest, "" for PTB-XL."""
    root = recipe.get("data.root", recipe.get("made.data.root", ""))
    return Path(root).name if is_manifest(root) else ""


def _signal(recipe: Mapping[str, str]) -> SignalSpec:
    """What the model reads; versions of a time when there was one signal don't say it."""
    said = [
        recipe.get(f"signal.{key}", recipe.get(f"made.signal.{key}"))
        for key in ("leads", "fs", "seconds")
    ]
    if None in said:
        return PTBXL_SIGNAL
    leads, fs, seconds = map(str, said)
    return SignalConfig(leads, int(fs), float(seconds), "repeat").spec


def _ecg(read: SignalSpec, many: bool = False) -> str:
    """``a 12-lead ECG``, ``ECGs of the leads I, II`` and the like."""
    article, s = ("", "s") if many else ("an ", "")
    if read.leads == PTBXL_SIGNAL.leads:
        return f"{article.replace('n', '')}12-lead ECG{s}"
    return f"{article}ECG{s} of the lead{'s' * (read.n_leads > 1)} {', '.join(read.leads)}"


def _about(tags: Mapping[str, str], values: Mapping[str, float], own: str, ecg: str) -> str:
    source = f"`{own}`" if own else "PTB-XL"
    if _task(tags) == default_task().name:
        return f"Five superclasses of {source}, several at once, from {ecg}."
    judged = {key: values[key] for key in ("val/n_classes", "test/n_classes") if key in values}
    over = ", ".join(
        f"{n:.0f} with a positive and a negative in {FOLDS[key[:-10]]}"
        for key, n in judged.items()
    )
    counted = f": {over}; every mean is over these" if over else ""
    asked = f"Task {_task(tags)} of {source}, several classes at once"
    return f"{asked}, from {ecg}{counted}."


def _limits(tags: Mapping[str, str], synthetic: bool, own: str, read: SignalSpec) -> str:
    if synthetic:
        return MADE_UP
    signal = f"{_ecg(read, many=True)}, {read.seconds:g} s at {read.fs} Hz,"
    source = FROM_OWN.format(data=own) if own else FROM_PTBXL
    what = "superclasses of statements" if _task(tags) == default_task().name else "statements"
    rule = tags.get(REMEMBERED, YOUDEN)
    return LIMITS.format(what=what, rule=rule, signal=signal, source=source)


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
