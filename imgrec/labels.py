"""Label spaces: what a class index means. Classes are told apart by WordNet id, never by name."""

from dataclasses import dataclass

from imgrec.errors import LabelSpaceError


@dataclass(frozen=True, slots=True, eq=False)
class LabelSpace:
    """The classes of a model in the order of its outputs: class index = position.

    `labels` are names for people and may repeat (ImageNet has two cranes and two maillots); `synsets` are
    WordNet 3.0 ids such as `n02123045`, or None for a class that WordNet does not have. `exclusive` says that
    a prediction is a distribution that sums to 1. Two spaces are the same when their `name` is.

    Raises `LabelSpaceError` when the counts differ or a synset stands twice.
    """

    name: str
    labels: tuple[str, ...]
    synsets: tuple[str | None, ...]
    exclusive: bool = True

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.synsets):
            raise LabelSpaceError(
                f"Expected one synset for each label of {self.name}. "
                f"Received: {len(self.labels)} labels and {len(self.synsets)} synsets."
            )
        known = [synset for synset in self.synsets if synset is not None]
        if len(known) != len(set(known)):
            raise LabelSpaceError(f"Expected each synset once in {self.name}. Received: one of them twice.")
