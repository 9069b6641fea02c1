"""The options of a classification, with the models and the measured temperatures of this machine."""

from functools import partial
from typing import Unpack

from imgrec.evaluation import temperatures
from imgrec.inference.request import Options, Words, get_default_specs, in_precision, parse_models
from imgrec.models.cards import load_catalog
from imgrec.settings import Settings


def parse_options(models: str, settings: Settings, precision: str | None = None, **words: Unpack[Words]) -> Options:
    """Return the options; nothing is fetched or loaded.

    Args:
        models: Names with commas between; empty for the default models.
        settings: Of this machine.
        precision: "compact" for the twins of the models, "exact" for the originals; None for the models as named.
        words: The other options.

    Raises:
        InputError: An option cannot be meant, or there is no model on this machine.
        UnknownNameError: No such model, rule, framing, level or class.
    """
    catalog = load_catalog(settings)
    specs = parse_models(models, catalog, precision) or in_precision(get_default_specs(catalog, settings), precision)
    return Options.parse(specs, get_temperatures=partial(temperatures.measured, settings), **words)
