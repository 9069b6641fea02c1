"""`imgrec sheet`."""

from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.chosen_models import open_models
from imgrec.cli.named_images import find
from imgrec.cli.predict import prepare
from imgrec.cli.terminal import BAD_INPUT, INTERRUPTED, check_format, complain, count_line, write
from imgrec.errors import InputError
from imgrec.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgrec.evaluation.contact_sheet import ContactSheet, Row

TABLE = "table"

# How often the progress is drawn.
POLL_S = 0.2

# Files without an answer, named one by one; JSON and CSV have all.
MAX_NAMED = 10

LABEL_WIDTH, AGREEMENT_WIDTH = 28, 14


def sheet(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Images, patterns, folders, zip or tar archives; - for one of them on standard input; at most 500.",
        ),
    ],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default up to three that are on this machine.")
    ] = "",
    rule: Annotated[
        str | None, typer.Option(help="mean, geometric_mean, weighted_mean, majority_vote or rank_vote.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of models, such as vgg16=2,mobilenet=0.5; else 1.")] = None,
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    level: Annotated[
        str | None, typer.Option(help="class, kind (dog, bottle) or category (animal, container).")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Your own classes: a JSON file of WordNet words, or such as 'cat;dog'.")
    ] = None,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Apply the measured temperatures to the members.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="compact: the twins of the models in 8-bit integers; exact: in float32.")
    ] = None,
    order: Annotated[str, typer.Option(help="disputed, unsure, likely, label or given.")] = "disputed",
    format: Annotated[str, typer.Option(help="table, json, csv or parquet.")] = TABLE,
    out: Annotated[str, typer.Option(help="File for the sheet; else standard output.")] = "",
) -> None:
    """Show many images at a glance, those that the models disagree about first; right or wrong where that is known.

    In folders that are named after classes, or with a labels.csv, the true classes are known.
    """
    from imgrec.errors import UnknownNameError
    from imgrec.evaluation import sheet_files, sheet_order
    from imgrec.evaluation.contact_sheet import ContactSheet

    check_format(format, (TABLE, *sheet_files.FORMATS), out)
    if order not in sheet_order.ORDERS:
        raise UnknownNameError.of("order", order, list(sheet_order.ORDERS))
    settings = Settings.from_env()
    options, pool, preparations = open_models(
        models,
        settings,
        precision,
        rule=rule,
        weights=weights,
        framing=framing,
        level=level,
        classes=classes,
        calibrated=calibrated,
    )
    found = find(images, context)
    prepare(options.specs, preparations)
    run = ContactSheet(found, options, pool, settings)
    for remark in run.remarks:
        complain(remark)
    is_whole = _follow(run)
    rows = sheet_order.arrange(run.rows, order)
    if format == TABLE:
        write((_table(rows) + "\n").encode(), out)
    else:
        write(sheet_files.FORMATS[format][0](rows, [spec.name for spec in options.specs]), out)
    if run.error:
        raise InputError(run.error)
    unanswered = [row for row in rows if row.answer is None]
    for row in unanswered[:MAX_NAMED]:
        complain(f"{row.image}: {row.error}")
    if len(unanswered) > MAX_NAMED:
        complain(f"and {len(unanswered) - MAX_NAMED:,} more without an answer")
    failed = {model: sentence for row in rows for model, sentence in row.failures.items()}
    for model, sentence in failed.items():
        complain(f"{model}: {sentence}")
    if not is_whole:
        raise typer.Exit(INTERRUPTED)
    if unanswered or failed:
        raise typer.Exit(BAD_INPUT)


def _follow(run: "ContactSheet") -> bool:
    """Compute the sheet with its progress on stderr; return whether it was not interrupted."""
    with count_line("sheet") as show:
        run.start()
        try:
            while not run.wait(POLL_S):
                show(len(run.rows), len(run.images))
        except KeyboardInterrupt:
            run.cancel()
            run.wait()
            return False
        show(len(run.rows), len(run.images))
    return True


def _table(rows: "Sequence[Row]") -> str:
    """Return one line for each image, then the counts, the accuracy, and the most disputed image."""
    from imgrec.evaluation import sheet_order
    from imgrec.formatting import percent

    def figure(share: float) -> str:
        return percent(share).replace("\u202f", " ")

    lines = []
    for row in rows:
        if row.answer is None:
            lines.append(f"{'–':<{LABEL_WIDTH}}{'':>9}  {'':<{AGREEMENT_WIDTH}}  {row.image}")
            continue
        label = row.answer.label
        label = label if len(label) < LABEL_WIDTH else f"{label[: LABEL_WIDTH - 2]}…"
        marks = ", ".join(filter(None, [sheet_order.result(row), "unsure" if row.is_unsure else ""]))
        lines.append(
            f"{label:<{LABEL_WIDTH}}{figure(row.answer.probability):>9}  "
            f"{sheet_order.agreement(row):<{AGREEMENT_WIDTH}}  {row.image}{f'  ({marks})' if marks else ''}"
        )
    lines += ["", sheet_order.summary(rows)]
    if (found := sheet_order.accuracy(rows)) is not None:
        lines.append(found.sentence.replace("\u202f", " "))
    if (disputed := sheet_order.most_disputed(rows)) is not None:
        choices = ", ".join(f"{model} says {choice.label}" for model, choice in disputed.choices.items())
        lines.append(f"most disputed: {disputed.image} ({choices})")
    return "\n".join(lines)
