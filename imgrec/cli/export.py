"""`imgrec export`."""

from typing import Annotated

import typer

from imgrec.cli.terminal import say, status_line
from imgrec.files import typed_path
from imgrec.settings import Settings


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name: see imgrec models.")],
    formats: Annotated[
        str, typer.Option("--format", help="openvino, keras, onnx, litert; several with commas between.")
    ] = "openvino",
    out: Annotated[str, typer.Option(help="A folder, or a file that ends in .zip; else a folder named MODEL.")] = "",
) -> None:
    """Write a model as files that run without imgrec: network, labels, card, and a script that uses them."""
    from imgrec.export import bundle, scripts
    from imgrec.models.cards import load_catalog

    settings = Settings.from_env()
    spec = load_catalog(settings).get_spec(model)
    wanted = bundle.check_formats([name.strip() for name in formats.split(",") if name.strip()])
    target = typed_path(out or spec.name)
    with status_line() as draw:
        bundle.export(
            spec, wanted, target, settings, on_progress=lambda share, words: draw(*[f"{spec.name}: {words}"] * 3)
        )
    if target.suffix == ".zip":
        say(f"{target}: unpack it, and see {spec.name}/README.txt")
    else:
        say(f"{target}: python {target / scripts.file_name(wanted[0])} IMAGE")
