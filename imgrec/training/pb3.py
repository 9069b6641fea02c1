"""The protocol of PB3 as a sequence of transfer learning runs: two networks, learning rates, folds, heads.

The first network is frozen, and one dense layer is trained on its features: each learning rate by itself, by folds, so
that each of its models meets the test images once. On the features of the second network several heads are trained
under a learning rate that falls in steps, by the same folds; then its last layers are fine-tuned with the head that
was best in validation.

What comes next follows from the cards of what is done, so that a stopped protocol goes on from its models alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imgrec.errors import InputError
from imgrec.models.cards import Card
from imgrec.models.catalog import BUILT_IN
from imgrec.training.transfer_config import HEADS, TransferConfig
from imgrec.training.trial_results import rank

LEARNING_RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)

# The first learning rate of the heads; it falls to a tenth after each `STEP_EPOCHS`.
STEPPED_RATE = 1e-3
STEP_EPOCHS = 5

HEAD_NAMES = ("linear", "wide", "hidden")

# As printed: 2,000 of 8,000 images. Of a dataset with a test part, that part is taken.
TEST_FRACTION = 0.25

# PB3 gives its ResNet50 images of this size, as they are in Linnaeus 5.
INPUT_SIZES = {"resnet50": (256, 256)}


@dataclass(frozen=True, slots=True)
class Protocol:
    """The settings of the whole protocol; those that are not given are the printed ones, but `tuning_epochs`.

    `first` and `second` are networks of the catalog; the last `unfrozen_layers` of the second are fine-tuned for
    `tuning_epochs` (0 layers: it stays frozen). Raises `InputError` on values that a run refuses.
    """

    first: str = "mobilenet"
    second: str = "resnet50"
    learning_rates: tuple[float, ...] = LEARNING_RATES
    folds: int = 5
    epochs: int = 20
    batch_size: int = 32
    unfrozen_layers: int = 4
    tuning_epochs: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise InputError(f"Expected 2 folds or more. Received: {self.folds}.")
        if self.unfrozen_layers < 0:
            raise InputError(f"Expected 0 layers or more to unfreeze. Received: {self.unfrozen_layers}.")
        if not 1 <= len(set(self.learning_rates)) == len(self.learning_rates):
            raise InputError(
                "Expected different learning rates. Received: " + (", ".join(map(str, self.learning_rates)) or "none")
            )
        # Their settings are checked as they are made.
        for stages in (rate_stages, head_stages):
            stages(self)
        _fine_tuning(self, HEAD_NAMES[0])

    @property
    def count(self) -> int:
        """The number of stages."""
        return len(self.learning_rates) + len(HEAD_NAMES) + bool(self.unfrozen_layers)

    def check_counts(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Raise `InputError` on too few images for the folds; `counts` has (to train on, to test on) of each class."""
        tested = any(test for _, test in counts.values())
        fewest, label = min((train, label) for label, (train, _) in counts.items())
        kept = fewest if tested else int(fewest * (1 - TEST_FRACTION))
        if kept < self.folds:
            held_out = "" if tested else f", {fewest - kept} of which are held out for the test"
            raise InputError(
                f"Expected {self.folds} training images or more of each class for {self.folds} folds. "
                f"Received: {fewest} of {label!r}{held_out}; use fewer folds, or more images."
            )

    def key(self, data: str) -> str:
        """Return 8 hexadecimal digits that differ between settings and between sources of images."""
        return hashlib.sha256(json.dumps([asdict(self), data], sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the protocol: `name` tells its model from those of the others, `title` says what it is."""

    name: str
    title: str
    config: TransferConfig


def rate_stages(protocol: Protocol) -> list[Stage]:
    """Return a run for each learning rate of the first network: one dense layer, by folds."""
    network = protocol.first
    return [
        Stage(
            f"{network}_{_digits(rate)}",
            f"{BUILT_IN.get_spec(network).title}, learning rate {rate:g}",
            _config(protocol, network, learning_rates=(rate,)),
        )
        for rate in protocol.learning_rates
    ]


def head_stages(protocol: Protocol) -> list[Stage]:
    """Return a run for each head on the second network, under the stepped learning rate, by folds."""
    network = protocol.second
    return [
        Stage(
            f"{network}_{head}",
            f"{BUILT_IN.get_spec(network).title}, head {HEADS[head].title.lower()}",
            _config(protocol, network, head=head, learning_rates=(STEPPED_RATE,), step_epochs=STEP_EPOCHS),
        )
        for head in HEAD_NAMES
    ]


def next_stage(protocol: Protocol, done: Mapping[str, Card]) -> Stage | None:
    """Return what is to be run after the stages `done`, cards by the name of their stage; None after the last."""
    for stage in (*rate_stages(protocol), *head_stages(protocol)):
        if stage.name not in done:
            return stage
    if not protocol.unfrozen_layers:
        return None
    last = _fine_tuning(protocol, best_head(protocol, done))
    return None if last.name in done else last


def best_rate(protocol: Protocol, done: Mapping[str, Card]) -> Stage:
    """Return the run of the first network whose learning rate is best in validation."""
    return max(rate_stages(protocol), key=lambda stage: validation_rank(done[stage.name]))


def best_head(protocol: Protocol, done: Mapping[str, Card]) -> str:
    """Return the head on the second network that is best in validation."""
    return max(head_stages(protocol), key=lambda stage: validation_rank(done[stage.name])).config.head


def second_model(protocol: Protocol, done: Mapping[str, Card]) -> Stage:
    """Return the last run of the second network: fine-tuned, or the best head where nothing is unfrozen."""
    head = best_head(protocol, done)
    if protocol.unfrozen_layers:
        return _fine_tuning(protocol, head)
    return next(stage for stage in head_stages(protocol) if stage.config.head == head)


def validation_rank(card: Card) -> tuple[float, float]:
    """Return what is compared of two runs by folds, the better the larger."""
    [summary] = card.fields["learning_rates"]
    return rank(summary["validation_accuracy"], summary["validation_loss"])


def _digits(rate: float) -> str:
    """Return a learning rate as it stands in the name of a model.

    >>> _digits(1e-2), _digits(0.0025)
    ('1em02', '2p5em03')
    """
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}".replace("-", "m").replace("+", "").replace(".", "p")


def _fine_tuning(protocol: Protocol, head: str) -> Stage:
    network, layers = protocol.second, protocol.unfrozen_layers
    return Stage(
        f"{network}_last_{layers}",
        f"{BUILT_IN.get_spec(network).title}, last {layers} layers fine-tuned",
        _config(
            protocol,
            network,
            head=head,
            learning_rates=(STEPPED_RATE,),
            step_epochs=STEP_EPOCHS,
            fine_tune_layers=layers,
            fine_tune_epochs=protocol.tuning_epochs,
            folds=0,  # the head was chosen by folds before
        ),
    )


def _config(protocol: Protocol, network: str, **own: Any) -> TransferConfig:
    shared: dict[str, Any] = {
        "folds": protocol.folds,
        "epochs": protocol.epochs,
        "batch_size": protocol.batch_size,
        "seed": protocol.seed,
        "test_fraction": TEST_FRACTION,
        "input_size": INPUT_SIZES.get(network),
    }
    return TransferConfig(network, **(shared | own))
