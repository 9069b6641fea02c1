"""What a model is and what its training took, beside its figures: measured, or derived from its layers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imgrec.models import network_layers
from imgrec.models.cards import Card


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of a model; None where one is not known.

    Attributes:
        training_seconds: Measured: the sum of the seconds of its epochs, of a model that was trained here.
        step_ms: Measured: the mean milliseconds of a training step of one batch, of a model that was trained here.
        depth: Derived: the layers with weights on the longest way through the network.
        layers: Derived: all layers, as Keras counts them.
        macs: Derived: multiply-accumulates of one image.
    """

    training_seconds: float | None = None
    step_ms: float | None = None
    depth: int | None = None
    layers: int | None = None
    macs: int | None = None


def facts_of(parameters: Mapping[str, int], cards: Iterable[Card]) -> Mapping[str, ModelFacts]:
    """Return the facts of models; `cards` are those of the models that were trained here.

    `parameters` has the number of each model's parameters: layers of a network of another size are not those of a model
    that happens to have its name.
    """
    by_name = {card.name: card for card in cards}
    return {model: _facts(model, count, by_name.get(model)) for model, count in parameters.items()}


def _facts(model: str, parameters: int, card: Card | None) -> ModelFacts:
    layers = network_layers.read_network(model)
    if sum(layer.parameters for layer in layers) != parameters:
        layers = ()
    return ModelFacts(
        training_seconds=card.training_seconds if card is not None else None,
        step_ms=_step_ms(card) if card is not None else None,
        depth=max((layer.depth for layer in layers), default=None),
        layers=len(layers) or None,
        macs=sum(layer.macs for layer in layers) if layers else None,
    )


def _step_ms(card: Card) -> float | None:
    """Return the milliseconds of a step; None for a card without a recipe, whose steps are those of a head."""
    recipe, trained_on = card.fields.get("recipe"), card.fields.get("data", {}).get("trained_on")
    if not isinstance(recipe, dict) or not isinstance(trained_on, int) or not card.curves:
        return None
    batch_size = recipe.get("batch_size")
    if not isinstance(batch_size, int) or batch_size < 1:
        return None
    steps = max(1, trained_on // batch_size) * len(card.curves)
    return 1000 * card.training_seconds / steps
