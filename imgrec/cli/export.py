"""`imgrec export`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgrec.cli.terminal import say, status_line
from imgrec.files import typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.models.catalog import ModelSpec

# The names of the arithmetic, for those of the choice.
ARITHMETIC = {"float32": "exact", "int8": "compact"}


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name: see imgrec models.")],
    formats: Annotated[
        str, typer.Option("--format", help="openvino, keras, onnx, litert; several with commas between.")
    ] = "openvino",
    out: Annotated[str, typer.Option(help="A folder, or a file that ends in .zip; else a folder named MODEL.")] = "",
    precision: Annotated[
        str | None,
        typer.Option(
            help="exact (float32), or compact (int8): the twin in 8-bit integers; its card says what it loses on the "
            "images that were held back from its training."
        ),
    ] = None,
) -> None:
    """Write a model as files that run without imgrec: network, labels, card, and a script that uses them."""
    from imgrec.evaluation import twin_facts
    from imgrec.export import bundle, scripts
    from imgrec.inference.request import in_precision
    from imgrec.models.cards import load_catalog

    settings = Settings.from_env()
    named = load_catalog(settings).get_spec(model)
    [spec] = in_precision([named], None if precision is None else ARITHMETIC.get(precision, precision))
    wanted = bundle.check_formats([name.strip() for name in formats.split(",") if name.strip()])
    target = typed_path(out or spec.name)
    facts: dict[str, Any] = {}

    def describe(spec: "ModelSpec", on_progress: Callable[[float, str], None]) -> dict[str, Any]:
        facts.update(twin_facts.describe(spec, settings, on_progress))
        return facts

    with status_line() as draw:
        bundle.export(
            spec,
            wanted,
            target,
            settings,
            on_progress=lambda share, words: draw(*[f"{spec.name}: {words}"] * 3),
            describe=describe,
        )
    if target.suffix == ".zip":
        say(f"{target}: unpack it, and see {spec.name}/README.txt")
    else:
        say(f"{target}: python {target / scripts.file_name(wanted[0])} IMAGE")
    for sentence in twin_facts.sentences(facts):
        say(sentence)
