"""`imgrec remote`."""

from typing import Annotated

import typer

from imgrec.cli.chosen_models import read_classes
from imgrec.cli.named_images import find
from imgrec.cli.terminal import BAD_INPUT, complain, count_line, say
from imgrec.errors import InputError, UnknownNameError
from imgrec.settings import Settings

FORMATS = ("table", "json", "csv")


def remote(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Images, patterns, folders, zip or tar archives; - for one of them on standard input; at most 500.",
        ),
    ],
    service: Annotated[str, typer.Option(help="google_cloud_vision.")] = "google_cloud_vision",
    classes: Annotated[
        str | None, typer.Option(help="Your own classes: a JSON file of WordNet words, or such as 'cat;dog'.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=20, help="Labels for each image.")] = 5,
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
) -> None:
    """Ask a service what is in images: they are sent to it over the network, and it may charge for them.

    It needs a key in the environment. In folders that are named after --classes, or with a labels.csv, answers are
    right or wrong.
    """
    from imgrec.predictions.class_groups import ClassGroups
    from imgrec.remote import rows as remote_rows
    from imgrec.remote.services import SERVICES

    if format not in FORMATS:
        raise InputError(f"Expected one of the formats {', '.join(FORMATS)}. Received: {format!r}.")
    if service not in SERVICES:
        raise UnknownNameError.of("service", service, list(SERVICES))
    settings = Settings.from_env()
    text = read_classes(classes)
    groups = ClassGroups.parse(text) if text else None
    asked = SERVICES[service](settings)
    found = find(images, context)
    for remark in found.remarks:
        complain(remark)
    complain(f"{len(found):,} images for {asked.title}; {asked.budget.left:,} may be sent this month.")
    rows: list[remote_rows.Row] = []
    with count_line(service) as show:
        for row in remote_rows.ask(asked, found, groups, settings):
            rows.append(row)
            show(len(rows), len(found))
    if format == "table":
        for row in rows:
            say(remote_rows.to_table(row, top))
        say("\n".join(["", *remote_rows.summary(rows)]).replace("\u202f", " "))
    else:
        to_text = {"json": remote_rows.to_json, "csv": remote_rows.to_csv}[format]
        say(to_text(rows, top).rstrip("\n"))
    for sentence in dict.fromkeys(row.error for row in rows if row.error):
        complain(sentence)
    if any(row.error for row in rows):
        raise typer.Exit(BAD_INPUT)
