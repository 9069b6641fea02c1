"""`imgrec compare`."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgrec.cli.chosen_models import read_classes
from imgrec.cli.terminal import check_format, complain, count_line, say, write
from imgrec.errors import InputError
from imgrec.files import is_there, typed_path
from imgrec.settings import ASSETS, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgrec.evaluation.aligned_results import AlignedResults
    from imgrec.evaluation.comparisons import PairTest

TABLE = "table"

SUMMARY = "summary.json"


def compare(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="Two names of models, or more.")],
    data: Annotated[
        str, typer.Option(help="A dataset as for evaluate, or the name of one on which the models are measured.")
    ],
    out: Annotated[str, typer.Option(help="Folder for the measurements; else as for evaluate.")] = "",
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    per_class: Annotated[int | None, typer.Option(min=1, help="Only the first so many images of each class.")] = None,
    classes: Annotated[str | None, typer.Option(help="What the dataset's classes mean, as for evaluate.")] = None,
    format: Annotated[str, typer.Option(help="table, json, csv or parquet.")] = TABLE,
) -> None:
    """Say whether one model is more accurate than another on the same images: McNemar's test of each pair.

    What is not measured yet is measured first. Of several pairs the p-values are corrected (Holm).
    """
    from imgrec.evaluation import aligned_results, comparisons
    from imgrec.evaluation.stored_predictions import own_folder
    from imgrec.models.cards import load_catalog
    from imgrec.reports import flat_rows

    check_format(format, (TABLE, *flat_rows.FORMATS))
    settings = Settings.from_env()
    specs = load_catalog(settings).get_specs(models)
    if len(specs) < 2:
        raise InputError(f"Expected two models or more. Received: {', '.join(models)}.")
    names = [spec.name for spec in specs]
    own = typed_path(out) if out else own_folder(settings)
    found = None if per_class or classes else _stored(names, data, own)
    if found is None:
        found = aligned_results.load([own], _measure(names, data, own, settings, framing, per_class, classes))
    found = aligned_results.narrowed(found, names)
    tests = comparisons.paired_tests(found)
    if format == TABLE:
        say(_table(found, tests, names))
    else:
        write(flat_rows.FORMATS[format]([_row(found, test) for test in tests]))


def _stored(names: "Sequence[str]", data: str, own: Path) -> "AlignedResults | None":
    """Return the stored results on the dataset called `data`; None where it is to be opened and measured."""
    from imgrec.data.sources import DATASETS
    from imgrec.evaluation import aligned_results

    folders = [ASSETS / "benchmarks", *([own] if is_there(own / SUMMARY) else [])]
    if is_there(typed_path(data)) or data not in aligned_results.dataset_names(folders):
        return None
    found = aligned_results.load(folders, data)
    missing = [name for name in names if name not in found.models]
    if missing and data not in DATASETS:
        raise InputError(
            f"Expected models that are measured on {data}, such as {', '.join(found.models[:3])}. "
            f"Received: {', '.join(missing)}. With the path of its images they are measured now."
        )
    return None if missing else found


def _measure(
    names: "Sequence[str]",
    data: str,
    folder: Path,
    settings: Settings,
    framing: str,
    per_class: int | None,
    classes: str | None,
) -> str:
    """Measure the models that are not measured yet, and return the name of the dataset."""
    from imgrec.data.evaluation_split import open_evaluation_split
    from imgrec.evaluation.evaluate import evaluate
    from imgrec.models.cards import load_catalog
    from imgrec.predictions.class_groups import ClassGroups

    text = read_classes(classes)
    groups = ClassGroups.parse(text) if text else None
    dataset = open_evaluation_split(data, settings, per_class=per_class, groups=groups)
    for flaw in dataset.flaws:
        complain(flaw)
    for spec in load_catalog(settings).get_specs(names):
        with count_line(spec.name) as show:
            evaluate(spec, dataset, settings, folder, framing=framing, on_progress=show)
    return dataset.name


def _table(found: "AlignedResults", tests: "Sequence[PairTest]", names: "Sequence[str]") -> str:
    """Return one line for each model, the best first, and one sentence for each pair."""
    titles = {name: found.rows[name]["title"] for name in names}
    lines = [f"{name:<24}top-1 {found.top_1(name):.1%}" for name in found.models]
    unread = [f"{found.unread:,} images that not all of them could read are left out."] if found.unread else []
    sentences = [test.sentence(titles).replace("\u202f", " ") for test in tests]
    return "\n".join(chain(lines, [""], unread, sentences))


def _row(found: "AlignedResults", test: "PairTest") -> dict[str, Any]:
    """Return a pair as values: the documented shape of `imgrec compare --format json`."""
    return {
        "dataset": found.name,
        "a": test.a,
        "b": test.b,
        "images": test.paired.images,
        "top_1_a": found.top_1(test.a),
        "top_1_b": found.top_1(test.b),
        "only_a": test.paired.only_a,
        "only_b": test.paired.only_b,
        "p_value": test.paired.p_value,
        "p_value_holm": test.corrected,
        "better": test.better,
    }
