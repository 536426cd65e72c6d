"""Entry point ``compare``: what separates some models, from what they said about fold 9.

python -m registry.compare.make --models NAME@champion,NAME@candidate,NAME/3
python -m registry.compare.make --alias champion
python -m registry.compare.make --runs RUN_ID,RUN_ID

python -m registry.compare.make --study FIRST,SECOND

It reads predictions that were logged: no data are needed. Where the records are at hand, parts of
the patients are compared too, and those that divide the models are drawn.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as Shown

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import SHORT_NAMES
from heart_reader.config.request import ConfigRequest, config_request
from heart_reader.config.strict import flatten, to_dict
from heart_reader.errors import ConfigError, ModelError, did_you_mean
from heart_reader.evaluation.plots.figures import save
from heart_reader.tasks.task import class_key
from heart_reader.tracking import ModelVersion, Run, left_behind
from heart_reader.tracking import runs as tracking
from registry.client import Registry
from registry.commands import DEFAULTS
from registry.compare import pages
from registry.compare.costs import Cost, cost_of
from registry.compare.measure import Comparison, compare
from registry.compare.opinions import Opinion, addresses, gather
from registry.compare.parts import Part, find_records, measure_parts, write_sheets
from registry.settings import CompareConfig, load_settings

NONE = "none"
WHO = ("models", "runs", "alias", "study")


@dataclass(frozen=True)
class CompareRequest:
    """What a user asks of ``compare``; at least one of the first four isn't empty.

    Attributes:
        models: addresses of versions with commas between them.
        runs: IDs of runs likewise.
        alias: of every registered model that has it.
        study: names of studies with commas between them.
        config: where the records are.
        settings: how it is measured.
    """

    models: str
    runs: str
    alias: str
    study: str
    config: ConfigRequest
    settings: CompareConfig


def main(words: Sequence[str]) -> None:
    """Reads the options and compares."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    make_comparison(Registry(), request)


def read_request(options: Mapping[str, str]) -> CompareRequest:
    """What the options ask for.

    Raises:
        ConfigError: unknown options or values.
    """
    settings, left = load_settings(options)
    who = [left.pop(name, NONE) for name in WHO]
    for name in left:
        if name != "config" and "." not in name and name not in SHORT_NAMES:
            raise ConfigError(f"unknown option {name!r}{did_you_mean(name, WHO)}")
    config = config_request(left)
    config.check()
    models, runs, alias, study = ("" if each == NONE else each for each in who)
    return CompareRequest(models, runs, alias, study, config, settings.compare)


def make_comparison(registry: Registry, request: CompareRequest) -> Run:
    """One run with a page, tables and metrics; its ID stands on each compared version."""
    opinions = gather(registry, request.models, request.runs, request.alias, request.study)
    settings = request.settings
    with tracking.open_run(f"compare {len(opinions)} models") as run:
        run.set_tags({"compared": addresses(opinions)[:5000]})
        run.log_params(flatten({"compare": to_dict(settings)}))
        found = compare(opinions, settings.n_resamples, settings.n_records)
        log(run, opinions, found, request)
    for opinion in opinions:
        if opinion.version is not None:
            with left_behind("the link to a comparison"):
                registry.set_tags(opinion.version, {"compared_in": run.run_id})
    show(found)
    return run


def log(run: Run, opinions: Sequence[Opinion], found: Comparison, request: CompareRequest) -> None:
    """Metrics, page, picture, tables and, where the records are at hand, sheets."""
    at_hand = find_records(opinions, request.config)
    divided: Sequence[Part] = ()
    sheets: Sequence[Path] = ()
    costs = costs_of(opinions, request.settings.n_timed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not isinstance(at_hand, str):
            divided = measure_parts(opinions, *at_hand, request.settings.n_resamples)
            sheets = write_sheets(
                found, opinions, *at_hand, request.settings.n_sheets, folder / "sheets"
            )
        missing = (
            f" Parts of the patients weren't looked at: {at_hand}."
            if isinstance(at_hand, str)
            else ""
        )
        text = write_pages(folder, opinions, found, divided, missing, costs, sheets)
        run.log_folder(folder)
    run.log_metrics(values(found), 0)
    run.describe(text)


def costs_of(opinions: Sequence[Opinion], n_timed: int) -> list[Cost | None]:
    """Of each version; a run has nothing that could be asked."""
    return [None if o.version is None else cost_of(o.version, n_timed) for o in opinions]


def write_pages(
    folder: Path,
    opinions: Sequence[Opinion],
    found: Comparison,
    divided: Sequence[Part],
    more: str,
    costs: Sequence[Cost | None] = (),
    sheets: Sequence[Path] = (),
) -> str:
    """Page, Markdown, picture and records; gives the Markdown.

    Args:
        folder: that they are put into.
        opinions, found: what was compared, and what came of it.
        divided: parts of the patients.
        more: behind the first sentences.
        costs: of each.
        sheets: pictures that go into the page.
    """
    title = f"{found.rows[0].name} and {len(opinions) - 1} more"
    parts = pages.tables(found, [each.settings for each in opinions], divided, costs)
    said = pages.intro(found, opinions, divided) + more
    text, drawn = pages.markdown(title, said, parts), pages.figure(found)
    (folder / "comparison.html").write_text(pages.html(title, said, parts, drawn, sheets), "utf-8")
    (folder / "comparison.md").write_text(text, "utf-8")
    found.apart.to_csv(folder / "records.csv", index=False)
    save(drawn, folder / "comparison.png")
    return text


def log_pair(registry: Registry, run: Run, first: ModelVersion, second: ModelVersion) -> None:
    """The comparison of two versions as files of a run of another kind, and its link on the
    second; left out, with a line, where they weren't judged on the same records."""
    settings = load_settings({})[0].compare
    try:
        opinions = gather(registry, f"{first.uri},{second.uri}", "", "")
    except ModelError as error:
        print(f"no comparison is logged: {error}")
        return
    found = compare(opinions, settings.n_resamples, settings.n_records)
    with tempfile.TemporaryDirectory() as name:
        write_pages(Path(name), opinions, found, (), "")
        run.log_folder(Path(name), "comparison")
    with left_behind("the link to a comparison"):
        registry.set_tags(second, {"compared_in": run.run_id})


def values(found: Comparison) -> dict[str, float]:
    """The figures that runs of comparisons can be sorted by."""
    flat: dict[str, float] = {}
    for row in found.rows:
        key = class_key(row.name)
        flat |= {f"{key}/macro_auc": row.macro_auc.value, f"{key}/f_max": row.f_max.value}
        if row is not found.rows[0]:
            flat |= {f"{key}/difference": row.gain.value, f"{key}/agreement": row.agreement}
    return flat


def show(found: Comparison) -> None:
    """The first table, on the terminal."""
    part = pages.tables(found)[0]
    table = Shown(*part.header, title=f"{found.n_records:,} records of fold 9")
    for row in part.rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
