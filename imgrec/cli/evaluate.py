"""`imgrec evaluate`."""

import shlex
from typing import Annotated

import typer

from imgrec.cli.chosen_models import read_classes
from imgrec.cli.terminal import BAD_INPUT, complain, count_line, say
from imgrec.errors import ImgrecError
from imgrec.files import typed_path
from imgrec.settings import Settings

# Images that could not be read, named one by one; the summary lists all.
MAX_NAMED_FAILURES = 10


def evaluate(
    data: Annotated[str, typer.Option(help="cifar10, or a folder, zip, tar or .npz with labeled images.")],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default all on this machine that fit.")
    ] = "",
    out: Annotated[
        str,
        typer.Option(help="Folder for summary.json and all answers; else one that the Benchmarks page shows, too."),
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
    corruptions: Annotated[
        bool,
        typer.Option("--corruptions", help="Measure with 8 kinds of damage in 5 strengths instead: 41 times the work."),
    ] = False,
) -> None:
    """Measure models on labeled images; a stopped run goes on where it was."""
    from imgrec.data.evaluation_split import open_evaluation_split
    from imgrec.evaluation import stored_predictions
    from imgrec.evaluation.evaluate import describe_dataset, get_fitting_specs
    from imgrec.evaluation.evaluate import evaluate as measure
    from imgrec.explanation.corruptions import STRENGTHS
    from imgrec.explanation.severity import measure_severity
    from imgrec.inference.request import parse_models
    from imgrec.models.cards import load_catalog
    from imgrec.predictions.class_groups import ClassGroups

    settings = Settings.from_env()
    folder = typed_path(out) if out else stored_predictions.own_folder(settings)
    text = read_classes(classes)
    groups = ClassGroups.parse(text) if text else None
    found = open_evaluation_split(data, settings, per_class=per_class, training=training, groups=groups)
    if not corruptions:
        stored_predictions.check_place(folder, describe_dataset(found))
    for flaw in found.flaws:
        say(flaw)
    catalog = load_catalog(settings)
    specs = parse_models(models, catalog) if models.strip(" ,") else get_fitting_specs(found, catalog, settings)
    failed = False
    for spec in specs:
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
        command = shlex.join(["imgrec", "evaluate", *words, *(["--corruptions"] if corruptions else [])])
        try:
            with count_line(spec.name) as show:
                if corruptions:
                    damaged = measure_severity(
                        spec, found, settings, folder, framing=framing, command=command, on_progress=show
                    )
                else:
                    row = measure(
                        spec, found, settings, folder, framing=framing, note=note, command=command, on_progress=show
                    )
        except ImgrecError as error:
            complain(f"{spec.name}: {error}")
            failed = True
            continue
        if corruptions:
            means = "  ".join(f"{damaged.accuracy(strength):.1%}" for strength in (0, *STRENGTHS))
            say(f"{spec.name:<24}{damaged.images:>8,} images   top-1 at strength 0 to {STRENGTHS[-1]}: {means}")
            continue
        say(
            f"{spec.name:<24}{row['images']:>8,} images   top-1 {row['top_1']:.1%} "
            f"({row['top_1_low']:.1%} to {row['top_1_high']:.1%})   {row['latency_p50_ms']:.1f} ms"
        )
        for failure in row["failures"][:MAX_NAMED_FAILURES]:
            complain(f"{failure['id']}: {failure['reason']}")
        if len(row["failures"]) > MAX_NAMED_FAILURES:
            complain(f"and {len(row['failures']) - MAX_NAMED_FAILURES:,} more that could not be read; see the summary")
    if failed:
        raise typer.Exit(BAD_INPUT)
