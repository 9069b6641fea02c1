"""`imgrec evaluate`."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgrec.cli.chosen_models import read_classes
from imgrec.cli.engines import Actors, Address, Engine, check_engine, open_engine
from imgrec.cli.named_images import STDIN, store_input
from imgrec.cli.terminal import BAD_INPUT, check_format, complain, count_line, say, write
from imgrec.errors import ImgrecError, InputError
from imgrec.files import sha256_of, typed_path
from imgrec.settings import LOCAL, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgrec.data.dataset import Dataset
    from imgrec.evaluation.evaluate import Timing
    from imgrec.models.catalog import ModelSpec

# Images that could not be read, named one by one; the summary lists all.
MAX_NAMED_FAILURES = 10

TABLE = "table"


def evaluate(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="cifar10; a folder, zip, tar, .npz or Parquet with labeled images; s3://, gs://, hdfs://; - for an "
            "archive on standard input."
        ),
    ],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default all on this machine that fit.")
    ] = "",
    out: Annotated[
        str,
        typer.Option(
            help="Folder, or s3://, gs://, hdfs://, for summary.json and all answers; else one that Benchmarks shows, "
            "too."
        ),
    ] = "",
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    per_class: Annotated[int | None, typer.Option(help="Only the first so many images of each class.")] = None,
    training: Annotated[
        str | None,
        typer.Option(help="The dataset that the models were trained on: images that stand in both are counted."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="What the dataset's classes mean: a JSON file of WordNet words, or such as 'cats:cat;dogs:dog'."
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="What a reader of the numbers should know about the weights.")] = "",
    engine: Engine = LOCAL,
    address: Address = None,
    actors: Actors = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: measure what is added to the folder, until Ctrl-C.")
    ] = False,
    corruptions: Annotated[
        bool,
        typer.Option("--corruptions", help="Measure with 8 kinds of damage in 5 strengths instead: 41 times the work."),
    ] = False,
    format: Annotated[str, typer.Option(help="table, json, csv or parquet; the last three have every figure.")] = TABLE,
) -> None:
    """Measure models on labeled images; a stopped run goes on where it was."""
    from imgrec.cli.watch import check_folder
    from imgrec.cli.watch import watch as watch_folder
    from imgrec.data.evaluation_split import open_evaluation_split
    from imgrec.data.sources import path_of
    from imgrec.data.stores import Store, is_address
    from imgrec.evaluation import stored_predictions
    from imgrec.evaluation.evaluate import describe_dataset, get_fitting_specs
    from imgrec.evaluation.evaluate import evaluate as measure
    from imgrec.evaluation.mirror import mirrored
    from imgrec.explanation.corruptions import STRENGTHS
    from imgrec.explanation.severity import measure_severity
    from imgrec.inference.request import parse_models
    from imgrec.models.cards import load_catalog
    from imgrec.predictions.class_groups import ClassGroups
    from imgrec.reports import flat_rows

    check_format(format, (TABLE, *flat_rows.FORMATS))
    settings = Settings.from_env()
    check_engine(engine, address, actors)
    if corruptions and (watch or engine != "local"):
        raise InputError("Expected --corruptions alone. Received: --watch or --engine beside it.")
    if corruptions and is_address(out):
        raise InputError("Expected a folder of this machine for --out with --corruptions. Received: an address.")
    mirror = context.with_resource(mirrored(Store.of(out))) if is_address(out) else None
    folder = typed_path(out) if out else stored_predictions.own_folder(settings)
    if mirror is not None:
        folder = mirror.folder
    text = read_classes(classes)
    groups = ClassGroups.parse(text) if text else None
    catalog = load_catalog(settings)
    if data == STDIN and watch:
        raise InputError("Expected a folder to watch. Received: standard input.")
    place = str(store_input(context)) if data == STDIN else data

    def open_labeled() -> "Dataset":
        return open_evaluation_split(place, settings, per_class=per_class, training=training, groups=groups)

    def get_specs(labeled: "Dataset") -> "Sequence[ModelSpec]":
        return parse_models(models, catalog) if models.strip(" ,") else get_fitting_specs(labeled, catalog, settings)

    def command_of(spec: "ModelSpec") -> str:
        options = {
            "--data": data,
            "--per-class": per_class,
            "--training": training,
            "--classes": classes,
            "--models": spec.name,
            "--framing": framing,
            "--note": note or None,
            "--out": out or None,
        }
        words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        return shlex.join(["imgrec", "evaluate", *words, *(["--corruptions"] if corruptions else [])])

    if watch:
        if is_address(data):
            raise InputError("Expected a folder of this machine to watch. Received: an address.")
        check_folder(path_of(data))
        with open_engine(engine, address, actors) as run:

            def measure_grown(
                spec: "ModelSpec",
                labeled: "Dataset",
                starts: "Sequence[int]",
                timing: "Timing | None",
                show: "Callable[[int, int], None]",
            ) -> dict[str, Any]:
                return measure(
                    spec, labeled, settings, folder, framing=framing, note=note, command=command_of(spec),
                    on_progress=show, run=run, starts=starts, timing=timing, mirror=mirror,
                )  # fmt: skip

            watch_folder(open_labeled, get_specs, measure_grown, folder)
        return
    found = open_labeled()
    if data == STDIN:
        # The file is gone afterwards: of two archives only this tells which it was.
        found = replace(found, source=f"standard input, sha256 {sha256_of(Path(place))}")
    if not corruptions:
        stored_predictions.check_place(folder, describe_dataset(found))
    for flaw in found.flaws:
        (say if format == TABLE else complain)(flaw)
    failed = False
    rows: list[dict[str, Any]] = []
    specs = get_specs(found)
    with open_engine(engine, address, actors) as run:
        for spec in specs:
            try:
                with count_line(spec.name) as show:
                    if corruptions:
                        damaged = measure_severity(
                            spec, found, settings, folder, framing=framing, command=command_of(spec), on_progress=show
                        )
                    else:
                        row = measure(
                            spec, found, settings, folder, framing=framing, note=note, command=command_of(spec),
                            on_progress=show, run=run, mirror=mirror,
                        )  # fmt: skip
            except ImgrecError as error:
                complain(f"{spec.name}: {error}")
                failed = True
                continue
            if corruptions:
                accuracy = {strength: damaged.accuracy(strength) for strength in (0, *STRENGTHS)}
                rows.append(
                    {"model": spec.name, "images": damaged.images}
                    | {f"top_1_at_{strength}": share for strength, share in accuracy.items()}
                )
                if format == TABLE:
                    means = "  ".join(f"{share:.1%}" for share in accuracy.values())
                    say(f"{spec.name:<24}{damaged.images:>8,} images   top-1 at strength 0 to {STRENGTHS[-1]}: {means}")
                continue
            rows.append(row)
            if format == TABLE:
                say(_line(row))
            _complain_of(row["failures"])
    if format != TABLE:
        write(flat_rows.FORMATS[format](rows))
    if failed:
        raise typer.Exit(BAD_INPUT)


def _line(row: dict[str, Any]) -> str:
    """Return a row of figures as a line."""
    return (
        f"{row['model']:<24}{row['images']:>8,} images   top-1 {row['top_1']:.1%} "
        f"({row['top_1_low']:.1%} to {row['top_1_high']:.1%})   {row['latency_p50_ms']:.1f} ms"
    )


def _complain_of(failures: "Sequence[Mapping[str, str]]") -> None:
    """Name the images that could not be read, or the first of many."""
    for failure in failures[:MAX_NAMED_FAILURES]:
        complain(f"{failure['id']}: {failure['reason']}")
    if len(failures) > MAX_NAMED_FAILURES:
        complain(f"and {len(failures) - MAX_NAMED_FAILURES:,} more that could not be read; see the summary")
