"""`imgrec check`, `add` and `remove`: models of other origin."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgrec.cli.terminal import BAD_INPUT, complain, say, status_line
from imgrec.errors import ImgrecError, InputError
from imgrec.files import typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from imgrec.evaluation.preprocessing_probe import Probe
    from imgrec.inference.own_model import Examined
    from imgrec.predictions.labels import LabelSpace

_MODEL = typer.Argument(
    metavar="MODEL", help="A .keras, .h5, .onnx, .xml (OpenVINO), .tflite file, or the folder or zip of a SavedModel."
)
_LABELS = typer.Option(help="A text file with one class a line; by default ImageNet's for 1,000 outputs.")
_SIZE = typer.Option(help="224, or 224x320 (height x width), for a network that leaves it open.")
_PROBE = typer.Option(
    help="Labeled images, as for imgrec evaluate, to find the preprocessing with; ImageNet's networks need none."
)
_CROP = typer.Option("--crop", help="Side of the center crop / short side of the resized image, in (0, 1].")


def check(
    model: Annotated[str, _MODEL],
    labels: Annotated[str, _LABELS] = "",
    size: Annotated[str, _SIZE] = "",
    probe: Annotated[str, _PROBE] = "",
    crop: Annotated[float, _CROP] = 0.875,
) -> None:
    """Examine a model file: what it takes and gives, and with which preprocessing it is right."""
    settings = Settings.from_env()
    _check_crop(crop)
    with status_line() as draw, _examine(model, size, draw) as found:
        for line in _describe(found):
            say(line)
        space = _space(labels, found, needed=bool(labels or probe))
        if space is not None and (probed := _probe(found, space, probe, settings, crop, draw)) is not None:
            _say_probe(probed)


def add(
    model: Annotated[str, _MODEL],
    labels: Annotated[str, _LABELS] = "",
    preprocess: Annotated[
        str, typer.Option(help="caffe, tf, torch, identity or unit; without it the one that --probe makes clear.")
    ] = "",
    name: Annotated[str, typer.Option(help="On command lines and in addresses; by default from the file's name.")] = "",
    title: Annotated[str, typer.Option(help="On screens; by default the file's name.")] = "",
    size: Annotated[str, _SIZE] = "",
    crop: Annotated[float, _CROP] = 0.875,
    channels: Annotated[
        str, typer.Option(help="rgb or bgr, as the network expects them; by default those of --preprocess.")
    ] = "",
    probe: Annotated[str, _PROBE] = "",
    license: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "not stated",
) -> None:
    """Add a model file to the catalog, beside the built-in ones; imgrec remove takes it out again."""
    from imgrec.cli.predict import prepare
    from imgrec.inference import own_model
    from imgrec.inference.preparation import Preparations
    from imgrec.models import cards

    settings = Settings.from_env()
    _check_crop(crop)
    if channels and not preprocess:
        raise InputError("Expected --preprocess beside --channels. Received: --channels alone.")
    with status_line() as draw, _examine(model, size, draw) as found:
        space = _space(labels, found, needed=True)
        if space is None:
            raise InputError("Expected labels. Received: none.")
        chosen_by: dict[str, Any] | None = None
        if not preprocess:
            preprocess, channels, chosen_by = _choose(_probe(found, space, probe, settings, crop, draw))
        card = own_model.add(
            found,
            space,
            settings,
            preprocess=preprocess,
            channels=channels or None,
            name=name or None,
            title=title or None,
            crop_fraction=crop,
            license=license,
            chosen_by=chosen_by,
        )
        lines = _describe(found)
    try:
        failures = prepare([cards.load_catalog(settings).get_spec(card.name)], Preparations(settings))
    except ImgrecError:
        cards.remove(card.name, settings)
        raise
    if failures:
        cards.remove(card.name, settings)
        raise typer.Exit(BAD_INPUT)
    for line in lines:
        say(line)
    order = card.fields["imported"]["channels"].upper()
    say(f"{card.name} is ready: preprocessing {preprocess}, {order}, {len(card.classes):,} classes. {card.path}")
    say(f"Try it: imgrec predict IMAGE --models {card.name}")


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a model of your own: see imgrec models.")],
) -> None:
    """Remove a model of your own, added or trained here, from the catalog and from this machine."""
    from imgrec.models import cards

    cards.remove(name, Settings.from_env())
    say(f"{name} is removed.")


def _examine(model: str, size: str, draw: "Callable[[str, str, str], None]") -> "AbstractContextManager[Examined]":
    """Return the block in which the model is examined, with its steps on stderr."""
    from imgrec.inference import own_model

    return own_model.examine(
        typed_path(model), input_size=_parse_size(size), on_stage=lambda stage: draw(*[f"{model}: {stage}"] * 3)
    )


def _choose(probed: "Probe | None") -> tuple[str, str, dict[str, Any]]:
    """Return the preprocessing that a probe has found, its channels, and what the card says of it."""
    if probed is None:
        raise InputError(
            "Expected --preprocess (caffe, tf, torch, identity or unit), or --probe with labeled images to find it. "
            "Received: neither."
        )
    if probed.proposed is None:
        _complain_probe(probed)
        raise InputError(
            f"Expected one preprocessing that is clearly the right one. Received: {probed.doubt} "
            "Give more images with --probe, or choose with --preprocess."
        )
    complain(probed.sentence())
    best = probed.proposed
    about = {
        "dataset": probed.dataset,
        "images": probed.images,
        "right": best.right,
        "log_loss": best.log_loss,
        "next_log_loss": probed.tried[1].log_loss,
    }
    return best.mode, best.channels, about


def _probe(
    found: "Examined",
    space: "LabelSpace",
    folder: str,
    settings: Settings,
    crop: float,
    draw: "Callable[[str, str, str], None]",
) -> "Probe | None":
    """Return what the images in `folder`, or else imgrec's own photographs, say; None where there are none that fit."""
    from imgrec.data.evaluation_split import open_evaluation_split
    from imgrec.evaluation import preprocessing_probe

    def show(done: int, count: int) -> None:
        draw("probe", f"trying preprocessing {done} of {count}", "trying each preprocessing")

    if folder:
        labeled = open_evaluation_split(folder, settings)
        return preprocessing_probe.probe(found, space, labeled, settings, crop_fraction=crop, on_progress=show)
    if space.name == "imagenet_1k":
        return preprocessing_probe.probe_photographs(found, space, settings, crop_fraction=crop, on_progress=show)
    return None


def _space(labels: str, found: "Examined", *, needed: bool) -> "LabelSpace | None":
    from imgrec.inference import own_model

    if labels:
        return own_model.read_labels(typed_path(labels), found.classes)
    try:
        return own_model.default_labels(found.classes)
    except InputError as error:
        if needed:
            raise
        say(str(error))
        return None


def _describe(found: "Examined") -> list[str]:
    """Return what a network is, in lines."""
    from imgrec.formatting import size
    from imgrec.models.model_formats import FORMATS

    height, width = found.input_size
    outputs = "probabilities" if found.outputs == "probabilities" else "logits; a softmax is added"
    maps = "from its last feature map" if found.has_feature_map else "by covering parts of the image (occlusion, RISE)"
    return [
        f"{found.file.path.name}: {FORMATS[found.file.format].title}, {size(found.file.size_bytes)}, "
        f"{found.parameters:,} parameters",
        f"input: {width} × {height} px, {found.layout}, {found.input_type}",
        f"outputs: {found.classes:,} {outputs}",
        f"explained: {maps}",
    ]


def _say_probe(probed: "Probe") -> None:
    say(f"{'preprocessing':<20}{'right':>12}{'log loss':>11}   behind the first (95 %)")
    for one in probed.tried:
        behind = "" if one.behind is None else f"{one.behind.low:+.2f} to {one.behind.high:+.2f}"
        say(f"{one.title:<20}{f'{one.right} of {probed.images}':>12}{one.log_loss:>11.2f}   {behind}".rstrip())
    say(probed.sentence())


def _complain_probe(probed: "Probe") -> None:
    complain(probed.sentence())


def _check_crop(crop: float) -> None:
    if not 0 < crop <= 1:
        raise InputError(f"Expected --crop above 0, at most 1. Received: {crop}.")


def _parse_size(text: str) -> tuple[int, int] | None:
    """Return (height, width) of "224" or "224x320"; None of an empty text."""
    if not text:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if not 1 <= len(parts) <= 2 or not all(part.isdecimal() and 0 < len(part) < 6 for part in parts):
        raise InputError(f"Expected --size as 224, or 224x320 for height x width. Received: {text[:40]!r}.")
    sides = [int(part) for part in parts]
    return sides[0], sides[-1]
