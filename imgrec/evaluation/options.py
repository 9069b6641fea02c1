"""The options of a classification, with the models and the measured temperatures of this machine."""

from functools import partial

from imgrec.evaluation import temperatures
from imgrec.inference.request import Options, get_default_specs, in_precision, parse_models
from imgrec.models.cards import load_catalog
from imgrec.settings import Settings


def parse_options(
    models: str,
    settings: Settings,
    *,
    top: int | None = None,
    rule: str | None = None,
    weights: str | None = None,
    framing: str | None = None,
    level: str | None = None,
    classes: str | None = None,
    calibrated: bool = False,
    precision: str | None = None,
) -> Options:
    """Return the options; nothing is fetched or loaded.

    Args:
        models: Names with commas between; empty for the default models.
        settings: Of this machine.
        top: Classes for each model; see `Options.parse` for this and the others.
        rule: Of the ensemble.
        weights: By model.
        framing: How images are cut.
        level: Of generality.
        classes: Groups of WordNet words.
        calibrated: Whether to apply measured temperatures.
        precision: "compact" for the twins of the models, "exact" for the originals; None for the models as named.

    Raises:
        InputError: An option cannot be meant, or there is no model on this machine.
        UnknownNameError: No such model, rule, framing, level or class.
    """
    catalog = load_catalog(settings)
    return Options.parse(
        parse_models(models, catalog, precision) or in_precision(get_default_specs(catalog, settings), precision),
        k=top,
        rule=rule,
        framing=framing,
        weights=weights,
        level=level,
        classes=classes,
        calibrated=calibrated,
        get_temperatures=partial(temperatures.measured, settings),
    )
