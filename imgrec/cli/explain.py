"""`imgrec explain`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.chosen_models import open_models
from imgrec.cli.named_images import STDIN
from imgrec.cli.predict import prepare
from imgrec.cli.terminal import BAD_INPUT, check_format, complain, count_line, say, write
from imgrec.files import typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from imgrec.explanation.explanation import Explanation
    from imgrec.images.decoding import DecodedImage

FORMATS = ("table", "json", "csv", "parquet")


def explain(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A file or https address; - for standard input.")],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default up to three that are on this machine.")
    ] = "",
    class_: Annotated[
        str, typer.Option("--class", help="A class, or what is above classes (dog); by default the ensemble's first.")
    ] = "",
    method: Annotated[str, typer.Option(help="cam (class activation), occlusion or rise.")] = "cam",
    rule: Annotated[str | None, typer.Option(help="Of the ensemble, as for predict.")] = None,
    weights: Annotated[str | None, typer.Option(help="Of models, such as vgg16=2,mobilenet=0.5; else 1.")] = None,
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    precision: Annotated[
        str | None, typer.Option(help="compact: the twins of the models in 8-bit integers; exact: in float32.")
    ] = None,
    format: Annotated[
        str, typer.Option(help="table, json, csv or parquet; the last three have every value.")
    ] = "table",
    out: Annotated[str, typer.Option(help="Folder for the maps as PNG files, drawn over the image.")] = "",
) -> None:
    """Show where each model looked: maps of one class, on one scale."""
    from imgrec.explanation import explanation, map_report
    from imgrec.explanation.attribution import find_method
    from imgrec.explanation.map_report import MeasuredMap
    from imgrec.images.opening import open_image

    check_format(format, FORMATS)
    find_method(method)
    settings = Settings.from_env()
    source = sys.stdin.buffer.read(settings.max_upload_bytes + 1) if image == STDIN else image
    decoded = open_image(source, settings)
    options, pool, preparations = open_models(models, settings, precision, rule=rule, weights=weights, framing=framing)
    if prepare(options.specs, preparations):
        raise typer.Exit(BAD_INPUT)
    with count_line(method) as count:
        found = explanation.explain(decoded, options, pool, word=class_, method=method, on_progress=count)
    maps = [MeasuredMap(one) for one in found.maps]
    if format == "json":
        say(map_report.to_json(image, decoded.sha256, maps).rstrip("\n"))
    elif format == "csv":
        say(map_report.to_csv(image, maps).rstrip("\n"))
    elif format == "parquet":
        write(map_report.to_parquet(image, maps))
    else:
        for row in map_report.to_rows(maps):
            title = row.pop("Model")
            say(f"{title}: {', '.join(f'{name.lower()} {value}' for name, value in row.items() if value)}")
    if out:
        _save(decoded, found, typed_path(out))
    for failure in found.failures:
        complain(f"{failure.model}: {failure.error}")
    if found.failures:
        raise typer.Exit(BAD_INPUT)


def _save(image: "DecodedImage", found: "Explanation", folder: "Path") -> None:
    """Write each map over the image as a PNG file, all on one scale."""
    from imgrec.explanation.map_images import draw_all
    from imgrec.files import replacing, storage_errors
    from imgrec.images.encoding import to_png

    drawn = draw_all(image, found.maps)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    spaces = [one.target.label_space.name for one in found.maps]
    for one, pixels in zip(found.maps, drawn, strict=True):
        space = f"_{one.target.label_space.name}" if len(set(spaces)) > 1 else ""
        path = folder / f"{one.model}{space}_{one.method}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(to_png(pixels))
    typer.echo(f"{len(drawn)} maps are in {folder}.", err=True)
