"""The models that a command names, with the options that commands share, opened."""

from typing import TYPE_CHECKING, Unpack

from imgrec.errors import InputError, StorageError
from imgrec.files import opened, typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.inference.pool import EnginePool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import Options, Words


def open_models(
    names: str, settings: Settings, precision: str | None = None, **words: "Unpack[Words]"
) -> "tuple[Options, EnginePool, Preparations]":
    """Return the options, the pool, and what fetches and compiles; nothing is loaded yet.

    As `parse_options`, but `classes` may be the name of a JSON file; raises `MemoryBudgetError`, too, for a model that
    is larger than the whole budget.
    """
    from imgrec.evaluation.options import parse_options
    from imgrec.inference.classify import open_pool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import check_budget

    words["classes"] = read_classes(words.get("classes"))
    options = parse_options(names, settings, precision, **words)
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
