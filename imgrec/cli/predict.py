"""`imgrec models`, `fetch` and `predict`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.chosen_models import open_models
from imgrec.cli.engines import Actors, Address, Engine, check_engine
from imgrec.cli.named_images import may_be_image, read_all
from imgrec.cli.terminal import BAD_INPUT, bar, check_format, complain, say, status_line, write
from imgrec.errors import ImgrecError, InputError
from imgrec.settings import LOCAL, MIB, Settings

if TYPE_CHECKING:
    from imgrec.images.decoding import DecodedImage
    from imgrec.images.opening import Source
    from imgrec.inference.pool import EnginePool
    from imgrec.inference.preparation import Preparation, Preparations
    from imgrec.inference.request import Options
    from imgrec.models.catalog import ModelSpec
    from imgrec.predictions.prediction import Failure
    from imgrec.reports.html_report import Entry
    from imgrec.reports.result import Result

TABLE = "table"
MODEL_FORMATS = (TABLE, "json", "csv", "parquet")
FORMATS = (*MODEL_FORMATS, "html")


def models(
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    format: Annotated[str, typer.Option(help="table, json, csv or parquet; the last three have every field.")] = TABLE,
) -> None:
    """List the models: bundled, downloaded, missing."""
    from imgrec.models.cards import load_catalog
    from imgrec.models.weights import state_of

    check_format(format, MODEL_FORMATS)
    settings = Settings.from_env()
    states = {spec: state_of(spec, settings) for spec in load_catalog(settings).values()}
    if json or format != TABLE:
        from imgrec.inference.request import describe
        from imgrec.reports import flat_rows

        rows = [describe(spec, state) for spec, state in states.items()]
        write(flat_rows.FORMATS["json" if json else format](rows))
        return
    say(f"{'model':<24}{'state':<12}{'input':>9}{'parameters':>14}{'size':>11}{'top-1':>8}")
    for spec, state in states.items():
        height, width = spec.input_size
        top1 = "" if spec.published is None else f"{spec.published.top1:.1%}"
        size = f"{spec.weights.size_bytes / MIB:,.0f} MiB"
        say(f"{spec.name:<23} {state:<12}{f'{height}×{width}':>9}{spec.parameters:>14,}{size:>11}{top1:>8}")


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Names as `imgrec models` lists them.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Replace files of weights that are not what they should be.")
    ] = False,
) -> None:
    """Download, verify and compile models."""
    from imgrec.inference.preparation import Preparations
    from imgrec.models import weights
    from imgrec.models.cards import load_catalog

    settings = Settings.from_env()
    specs = load_catalog(settings).get_specs(names)
    failed = {failure.model for failure in prepare(specs, Preparations(settings), repair=repair)}
    for spec in specs:
        if spec.name not in failed and (record := weights.get_record(spec, settings)):
            say(f"{spec.name} is ready: {record.path} (sha256 {record.sha256})")
    if failed:
        raise typer.Exit(BAD_INPUT)


def predict(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="Files, patterns, folders, zip, tar or Parquet; https, s3, gs or hdfs addresses; - for stdin.",
        ),
    ],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default up to three that are on this machine.")
    ] = "",
    rule: Annotated[
        str | None, typer.Option(help="mean, geometric_mean, weighted_mean, majority_vote or rank_vote.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of models, such as vgg16=2,mobilenet=0.5; else 1.")] = None,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Apply the measured temperatures to the members of the ensemble.")
    ] = False,
    top: Annotated[int, typer.Option(help="Classes for each model, 1 to 10.")] = 5,
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    level: Annotated[
        str | None, typer.Option(help="class, kind (dog, bottle) or category (animal, container).")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Your own classes: a JSON file of WordNet words, or such as 'cat;dog'.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="compact: the twins of the models in 8-bit integers; exact: in float32.")
    ] = None,
    engine: Engine = LOCAL,
    address: Address = None,
    actors: Actors = None,
    out: Annotated[
        str | None,
        typer.Option(help="Folder or address for Parquet files of the rows; a stopped run goes on where it was."),
    ] = None,
    format: Annotated[str, typer.Option(help="table, json, csv, parquet, or html: a report as one file.")] = "table",
) -> None:
    """Say what is in images, model by model and together."""
    from imgrec.cli import sharded_predictions
    from imgrec.explanation.map_images import report_maps
    from imgrec.predictions.ensembles import Ensemble, by_label_space
    from imgrec.predictions.prediction import Failure
    from imgrec.reports import flat_rows, reproduce, result
    from imgrec.reports.html_report import Entry

    check_format(format, FORMATS)
    check_engine(engine, address, actors)
    if is_sharded := engine != "local" or out is not None:
        sharded_predictions.check_names(images)
        if format == "html" or (out is not None and format != TABLE):
            raise InputError(
                f"Expected {'no --format with --out' if out else 'another format with --engine ray'}. "
                f"Received: --format {format}."
            )
    settings = Settings.from_env()
    options, pool, preparations = open_models(
        models,
        settings,
        precision,
        k=top,
        rule=rule,
        weights=weights,
        framing=framing,
        level=level,
        classes=classes,
        calibrated=calibrated,
    )
    # Nothing is fetched or compiled for files of which none can be an image.
    failures = prepare(options.specs, preparations) if any(may_be_image(name) for name in images) else []
    ready = tuple(spec for spec in options.specs if spec.name not in {failure.model for failure in failures})
    if not ready:
        raise typer.Exit(BAD_INPUT)
    results: list[Result] = []
    entries: list[Entry] = []
    usable = replace(options, specs=ready)
    answers: Iterator[tuple[str, Result, DecodedImage | None]]
    if is_sharded:
        work = sharded_predictions.open_work(images, usable, preparations, settings)
        if out is not None:
            if sharded_predictions.write(work, out, pool, engine, address, actors) or failures:
                raise typer.Exit(BAD_INPUT)
            return
        sharded = sharded_predictions.classify(work, pool, engine, address, actors)
        answers = ((found.image, found, None) for found in sharded)
    else:
        read = read_all(images, settings)
        answers = ((name, *get_result(name, source, usable, pool, settings)) for name, source in read)
    for name, found, image in answers:
        if found.error is None:
            found = replace(found, outcomes=(*found.outcomes, *failures))
        if format == "table":
            say(("\n" if results else "") + result.to_table([found], options.k))
        results.append(found)
        if format == "html":
            combined = map(options.combine, by_label_space(found.predictions).values())
            groups = tuple(group for group in combined if isinstance(group, Ensemble))
            maps, note = ((), "") if image is None else report_maps(image, usable, pool)
            command = reproduce.command("-" if name == "standard input" else name, options.to_arguments())
            entries.append(Entry(found, image, command, groups=groups, maps=maps, maps_note=note))
    if format == "parquet":
        write(flat_rows.to_parquet(result.to_rows(results, options.k), result.COLUMNS))
    elif format != "table":
        to_text = {"json": result.to_json, "csv": result.to_csv}
        text = to_text[format](results, options.k) if format in to_text else report(entries, options, settings)
        say(text.rstrip("\n"))
    # Models of different label spaces are listed together; that they cannot be combined is an error only on request.
    apart = {str(found.ensemble.error) for found in results if isinstance(found.ensemble, Failure)}
    for sentence in sorted(apart):
        complain(sentence)
    if any(found.error or found.failures for found in results) or (apart and (rule or weights)):
        raise typer.Exit(BAD_INPUT)


def report(entries: "Sequence[Entry]", options: "Options", settings: Settings) -> str:
    """Return the HTML report of the images."""
    from imgrec.charts.colors import swatches_of
    from imgrec.reports.html_report import Origin, to_html

    return to_html(
        entries,
        options.k,
        specs=options.specs,
        framing=options.framing,
        origin=Origin.of(options.specs, settings),
        colors={name: swatch.color for name, swatch in swatches_of(spec.name for spec in options.specs).items()},
    )


def get_result(
    name: str, source: "Source | ImgrecError", options: "Options", pool: "EnginePool", settings: Settings
) -> "tuple[Result, DecodedImage | None]":
    """Classify an image; one that cannot be used becomes a result with an error, which goes to stderr too."""
    from imgrec.images.opening import open_image
    from imgrec.inference.request import classify_decoded
    from imgrec.reports.result import Result

    try:
        if isinstance(source, ImgrecError):
            raise source
        image = open_image(source, settings, name=name)
        return classify_decoded(image, name, options, pool), image
    except ImgrecError as error:
        complain(f"{name}: {error}")
        return Result(image=name, sha256=None, error=str(error)), None


def prepare(specs: "Sequence[ModelSpec]", preparations: "Preparations", *, repair: bool = False) -> "list[Failure]":
    """Fetch and compile the models, with progress on stderr; return the failures."""
    from imgrec.predictions.prediction import Failure

    failures: list[Failure] = []
    for spec in specs:
        try:
            with status_line() as draw:
                preparations.ensure(spec, partial(_show, draw), repair=repair)
        except ImgrecError as error:
            complain(f"{spec.name}: {error}")
            failures.append(Failure(spec.name, error, spec.title))
    return failures


def _show(draw: "Callable[[str, str, str], None]", preparation: "Preparation") -> None:
    """Draw how far a preparation is: a bar on a terminal, one line for each stage elsewhere."""
    if preparation.stage in ("downloading", "converting"):
        stage = f"{preparation.model}: {preparation.stage}"
        figures = bar(preparation.done_bytes, preparation.total_bytes) if preparation.stage == "downloading" else ""
        draw(stage, f"{stage} {preparation.step}{figures}", stage)
