"""What a candidate said as a shadow of its champion, from the log of answers.

Off unless `gate.min_shadow_agreement` is above 0. The log is that of ``HEART_READER_LOG``. It
holds no truth: a candidate that corrects its champion's mistakes agrees less, too.
"""

from collections.abc import Sequence
from functools import lru_cache

from heart_reader.predictions.columns import ANSWER, SHADOW
from heart_reader.predictions.journal import Row
from heart_reader.predictions.log import Table, collect, open_table
from heart_reader.predictions.place import require_place
from heart_reader.tasks.task import class_key
from heart_reader.tracking import ModelVersion
from heart_reader.tracking.versions import digest_of_bundle
from registry.client import pinned
from registry.gate.rules import Check
from registry.settings import GateConfig
from registry.watch.beside import Agreed, Pair, agreed, paired

NAME = "labels beside the champion, as its shadow"
WHO = "gate.min_shadow_agreement"
MOST, MOST_ANSWERS = 5_000, 20_000  # newest rows that are read, of the shadow and of the champion
LATEST = 3600  # seconds that a shadow may be asked after its champion
N_NAMED = 5  # classes of those that agree too seldom
_digest = lru_cache(16)(digest_of_bundle)


def check(config: GateConfig) -> None:
    """Before any work.

    Raises:
        ConfigError: the rule is asked for, and the environment names no log.
    """
    if config.min_shadow_agreement > 0:
        require_place(WHO)


def beside_champion(
    candidate: ModelVersion, champion: ModelVersion, classes: Sequence[str], config: GateConfig
) -> list[Check]:
    """The rule, where it is asked for.

    Raises:
        ConfigError: the environment names no log.
        DataError: it can't be read.
    """
    if config.min_shadow_agreement <= 0:
        return []
    pairs, where = read_pairs(candidate, champion)
    names = pinned(candidate), pinned(champion)
    return [judge_pairs(pairs, names, where, classes, config)]


def why_not_yet(candidate: ModelVersion, champion: ModelVersion, config: GateConfig) -> str:
    """Why a candidate can't be judged by what it said as a shadow yet; "" where it can.

    Raises:
        ConfigError, DataError: as of `beside_champion`.
    """
    if config.min_shadow_agreement <= 0:
        return ""
    pairs, where = read_pairs(candidate, champion)
    if len(pairs) >= config.n_shadow:
        return ""
    names = pinned(candidate), pinned(champion)
    return f"{names[0]} isn't judged yet: {_too_few(len(pairs), names, where, config)}"


# ---------------------------------------------------------------- from the log


def read_pairs(candidate: ModelVersion, champion: ModelVersion) -> tuple[list[Pair], str]:
    """Records that both answered, and where they were logged; as of `beside_champion`."""
    place = require_place(WHO)
    collect(place)
    table = open_table(place)
    try:
        return pairs_of(table, candidate, champion), str(place)
    finally:
        table.close()


def pairs_of(table: Table, candidate: ModelVersion, champion: ModelVersion) -> list[Pair]:
    """Records that both answered, by the bundles that the versions hold now."""
    shadows = _rows(table, candidate, SHADOW, MOST, 0)
    if not shadows:
        return []
    since = min(int(row["time"]) for row in shadows) - LATEST
    return paired(_rows(table, champion, ANSWER, MOST_ANSWERS, since), shadows)


def _rows(table: Table, version: ModelVersion, role: str, limit: int, since: int) -> list[Row]:
    rows = table.newest(pinned(version), role, limit, since=since)
    if not rows:
        return []
    # Another registry may have logged here under the same name.
    digest = _digest(version)
    return [row for row in rows if digest.startswith(row["digest"])]


# ---------------------------------------------------------------- what is said of them


def judge_pairs(
    pairs: Sequence[Pair],
    names: tuple[str, str],
    where: str,
    classes: Sequence[str],
    config: GateConfig,
) -> Check:
    """Of each class the lower end of the interval of the share of equal labels.

    Args:
        pairs: of the champion's rows and the candidate's.
        names: of candidate and champion.
        where: they are from.
        classes: of both.
        config: ``min_shadow_agreement`` and ``n_shadow``.
    """
    if len(pairs) < config.n_shadow:
        few = _too_few(len(pairs), names, where, config)
        return Check(NAME, False, few, {"n_shadow": float(len(pairs))})
    found = sorted(agreed(pairs, classes), key=lambda each: each.interval[0])
    apart = [each for each in found if each.interval[0] < config.min_shadow_agreement]
    text = (
        f"{_said(found[0])}; the interval of each class must begin at "
        f"{config.min_shadow_agreement:.1%} or above; {len(pairs):,} records, "
        f"{sum(each.share for each in found) / len(found):.1%} of all labels"
    )
    others = [f"{each.name} {each.share:.1%}" for each in apart[1:N_NAMED]]
    more = [f"{len(apart) - N_NAMED} more"] if len(apart) > N_NAMED else []
    return Check(NAME, not apart, "; ".join([text, *others, *more]), values_of(found))


def _said(each: Agreed) -> str:
    low, high = each.interval
    return (
        f"{each.name} {each.share:.1%} (95% interval {low:.1%} to {high:.1%}; the champion alone "
        f"says it of {each.answer_alone}, the candidate alone of {each.shadow_alone})"
    )


def values_of(found: Sequence[Agreed]) -> dict[str, float]:
    """Every class's figures, for the record of a promotion."""
    flat = {"n_shadow": float(found[0].n)}
    for each in found:
        key, (low, high) = class_key(each.name), each.interval
        flat |= {f"agreement_{key}": each.share, f"agreement_{key}_low95": low,
                 f"agreement_{key}_high95": high,
                 f"champion_alone_{key}": float(each.answer_alone),
                 f"candidate_alone_{key}": float(each.shadow_alone)}  # fmt: skip
    return flat


def _too_few(n: int, names: tuple[str, str], where: str, config: GateConfig) -> str:
    held = f"{where} holds {n:,} records" if n else f"{where} holds no record"
    return (
        f"{held} that {names[0]} answered as the shadow of {names[1]}, {config.n_shadow:,} are "
        f"needed (gate.n_shadow): heart-reader serve --model {names[1]} --shadow {names[0]}"
    )
