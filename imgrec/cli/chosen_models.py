"""The models that a command names, with the options that commands share, opened."""

from typing import TYPE_CHECKING

from imgrec.errors import InputError, StorageError
from imgrec.files import opened, typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.inference.pool import EnginePool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import Options


def open_models(
    names: str,
    settings: Settings,
    *,
    top: int | None = None,
    rule: str | None = None,
    weights: str | None = None,
    framing: str = "crop",
    level: str | None = None,
    classes: str | None = None,
    calibrated: bool = False,
    precision: str | None = None,
) -> "tuple[Options, EnginePool, Preparations]":
    """Return the options, the pool, and what fetches and compiles; nothing is loaded yet.

    Args:
        names: Names with commas between; empty for the default models.
        settings: Of this machine.
        top: Classes for each model; see `Options.parse` for this and the others.
        rule: Of the ensemble.
        weights: By model.
        framing: How images are cut.
        level: Of generality.
        classes: Groups of WordNet words, or the name of a JSON file with them.
        calibrated: Whether to apply measured temperatures.
        precision: "compact" for the twins of the models, "exact" for the originals; None for the models as named.

    Raises:
        InputError: An option cannot be meant.
        MemoryBudgetError: A model is larger than the whole budget.
    """
    from imgrec.evaluation.options import parse_options
    from imgrec.inference.classify import open_pool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import check_budget

    options = parse_options(
        names,
        settings,
        top=top,
        rule=rule,
        weights=weights,
        framing=framing,
        level=level,
        classes=read_classes(classes),
        calibrated=calibrated,
        precision=precision,
    )
    preparations = Preparations(settings)
    pool = open_pool(settings, preparations)
    check_budget(options.specs, pool)
    return options, pool, preparations


def read_classes(text: str | None) -> str | None:
    """Return the groups of classes in the file called `text`, or `text` itself where it is no file name."""
    from imgrec.predictions.class_groups import MAX_CHARACTERS

    if not text or not text.lower().endswith(".json"):
        return text
    try:
        with opened(typed_path(text)) as file:
            return file.read(4 * MAX_CHARACTERS + 1).decode("utf-8-sig")
    except StorageError as error:
        reason = getattr(error.__cause__, "strerror", error)
        raise InputError(f"Expected a JSON file with classes. Received: {text}, {reason}.") from error
    except ValueError:
        raise InputError(f"Expected a JSON file with classes. Received: {text}, which is no text.") from None
