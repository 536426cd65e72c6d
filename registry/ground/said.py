"""What a version's tags and its run's params say of it, in words: for its cards."""

from collections.abc import Mapping
from pathlib import Path

from heart_reader.data.demo.marks import SYNTHETIC
from heart_reader.data.manifest import is_manifest
from heart_reader.data.spec import PTBXL_SIGNAL, SignalConfig, SignalSpec
from heart_reader.evaluation.thresholds import REMEMBERED, YOUDEN
from heart_reader.tasks.task import default_task

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


def task_of(tags: Mapping[str, str]) -> str:
    """Versions of a time when there was one task don't say which."""
    return tags.get("task", default_task().name)


def own_data_of(recipe: Mapping[str, str]) -> str:
    """The name of the user's manifest, "" for PTB-XL."""
    root = recipe.get("data.root", recipe.get("made.data.root", ""))
    return Path(root).name if is_manifest(root) else ""


def signal_of(recipe: Mapping[str, str]) -> SignalSpec:
    """What the model reads; versions of a time when there was one signal don't say it."""
    said = [
        recipe.get(f"signal.{key}", recipe.get(f"made.signal.{key}"))
        for key in ("leads", "fs", "seconds")
    ]
    if None in said:
        return PTBXL_SIGNAL
    leads, fs, seconds = map(str, said)
    return SignalConfig(leads, int(fs), float(seconds), "repeat").spec


def ecg_of(read: SignalSpec, many: bool = False) -> str:
    """``a 12-lead ECG``, ``ECGs of the leads I, II`` and the like."""
    article, s = ("", "s") if many else ("an ", "")
    if read.leads == PTBXL_SIGNAL.leads:
        return f"{article.replace('n', '')}12-lead ECG{s}"
    return f"{article}ECG{s} of the lead{'s' * (read.n_leads > 1)} {', '.join(read.leads)}"


def limits_of(tags: Mapping[str, str], synthetic: bool, own: str, read: SignalSpec) -> str:
    """What it is for, and what it isn't."""
    if synthetic:
        return MADE_UP
    signal = f"{ecg_of(read, many=True)}, {read.seconds:g} s at {read.fs} Hz,"
    source = FROM_OWN.format(data=own) if own else FROM_PTBXL
    what = "superclasses of statements" if task_of(tags) == default_task().name else "statements"
    rule = tags.get(REMEMBERED, YOUDEN)
    return LIMITS.format(what=what, rule=rule, signal=signal, source=source)
