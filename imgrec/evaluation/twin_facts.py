"""What the export of a compact twin says of it: how it was made, and what it loses against its original."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from imgrec.errors import ImgrecError
from imgrec.evaluation import compact_loss, evaluate, held_out, stored_predictions
from imgrec.evaluation.compact_loss import Loss
from imgrec.formatting import percent
from imgrec.inference import conversion, quantization
from imgrec.models import cards
from imgrec.models.catalog import ModelSpec
from imgrec.settings import ASSETS, Settings

# The finished share of an export, in [0, 1], and its next step.
OnProgress = Callable[[float, str], None]

# Of an export, in which measuring takes longest.
_SHARE = 0.8


def describe(spec: ModelSpec, settings: Settings, on_progress: OnProgress) -> dict[str, Any]:
    """Make the twin `spec`, measure it and its original on the held-out images of a trained model, and say what it is.

    Returns:
        JSON fields: `made_of`, `calibration_images` in words, `milliseconds` of both as measured here, `loss`: what
        was measured on this machine and by imgrec, one object a dataset, and `not_measured`: in a sentence why it could
        not be measured on held-out images; None where it was, and of a published model.

    Raises:
        ImgrecError: The twin cannot be made.
    """
    exact = spec.exact()
    sentence = None
    if (card := cards.find(exact.name, settings)) is not None and not card.is_added:
        try:
            measure(spec, settings, on_progress)
        except ImgrecError as error:
            sentence = str(error)
    facts = {
        "precision": "8-bit integers; layers that do not suit them in float32",
        "made_of": exact.name,
        "calibration_images": quantization.describe_images(spec, settings),
        "milliseconds": conversion.find_milliseconds(exact, settings),
        "loss": [_fields(loss) for loss in losses(exact.name, settings)],
    }
    return facts | {"not_measured": sentence}


def measure(spec: ModelSpec, settings: Settings, on_progress: OnProgress) -> None:
    """Measure the twin `spec` and its original on the held-out images of the model, for the Benchmarks page, too.

    What is stored already is not measured again. The twin is made with training images of the model.

    Raises:
        ImgrecError: There are no such images, or a network cannot be made.
    """
    on_progress(0.0, "looking for its held-out images")
    labeled, trained_on = held_out.find(spec, settings)
    held_out.keep_training_images(spec, trained_on, settings)
    for part, one in enumerate((spec.exact(), spec.compact())):
        words = f"measuring {one.title} on {len(labeled):,} held-out images"
        on_progress(_SHARE * part / 2, words)
        evaluate.evaluate(
            one,
            labeled,
            settings,
            stored_predictions.own_folder(settings),
            on_progress=partial(_report, on_progress, part, words),
        )


def losses(model: str, settings: Settings) -> list[Loss]:
    """Return what the twin of `model` loses on each dataset: measured on this machine, else by imgrec."""
    found: dict[str, Loss] = {}
    for folder in (ASSETS / "benchmarks", stored_predictions.own_folder(settings)):
        try:
            found |= {loss.dataset: loss for loss in compact_loss.measured(folder) if loss.model == model}
        except ImgrecError:  # of a folder that cannot be read nothing is known
            continue
    return list(found.values())


def sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts in sentences."""
    if not facts:
        return []
    found = [f"Made of {facts['made_of']} with {facts['calibration_images']}."]
    for loss in facts["loss"]:
        found.append(
            f"On {loss['images']:,} images of {loss['dataset']}: accuracy {percent(loss['accuracy_exact'])} → "
            f"{percent(loss['accuracy_compact'])}, {loss['lost']} lost, {loss['won']} won, "
            f"{percent(loss['same_first_answer'])} the same first answer."
        )
    if facts["not_measured"]:
        found.append(f"Its loss on held-out images was not measured: {facts['not_measured']}")
    return found


def _report(on_progress: OnProgress, part: int, words: str, done: int, count: int) -> None:
    on_progress(_SHARE * (part + done / count) / 2, words)


def _fields(loss: Loss) -> dict[str, Any]:
    fields = asdict(loss)
    exact = loss.top_1 + loss.share
    return {name: fields[name] for name in ("dataset", "images", "lost", "won", "p_value", "confidence_shift")} | {
        "same_first_answer": loss.same / loss.images,
        "accuracy_exact": exact,
        "accuracy_compact": loss.top_1,
        "milliseconds_exact": loss.exact_ms,
        "milliseconds_compact": loss.compact_ms,
    }
