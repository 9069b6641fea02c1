"""Results in sentences: titles of models and classes, agreement between models, and the headline above the charts.

Pages, command line and API use the same sentences.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgrec.formatting import percent
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions import out_of_distribution
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble, Without, combine
from imgrec.predictions.hierarchy import Node, hierarchy_of
from imgrec.predictions.labels import EntropyLimit, LabelSpace
from imgrec.predictions.prediction import Failure, Prediction

# More names would make the sentence a list.
NAMED_DISSENTERS = 2
NAMED_TIED = 4
NAMED_BELOW = 3
NAMED_OVERLAPS = 3

# Names of nodes that take no article; and the nodes whose classes are breeds, by WordNet id.
NO_ARTICLE = frozenset(
    {"armor", "bread", "clothing", "electronic equipment", "fabric", "food", "furniture", "hosiery", "produce"}
    | {"sports equipment"}
)
HAVE_BREEDS = frozenset({"n02084071", "n02121808"})  # dog, domestic cat

# The titles of the label spaces that come with imgrec.
SPACE_TITLES = {"imagenet_1k": "ImageNet", "cifar_10": "CIFAR-10", "cats_and_dogs": "cats and dogs"}
LEVEL_TITLES = {"kind": "kinds", "category": "categories"}

# Up to so many classes are listed; of more, and in titles, the first ones.
LISTED_CLASSES = 12
NAMED_CLASSES = 4

# An input of at most this side hides much of a photograph, and is mentioned.
SMALL_SIDE_PX = 96


@dataclass(frozen=True, slots=True)
class Group:
    """Predictions with the same first choice, out of `of` with their label space."""

    members: tuple[Prediction, ...]
    of: int

    @property
    def sentence(self) -> str:
        """The group in words: "5 of 6 say tabby"."""
        say = "says" if len(self.members) == 1 else "say"
        return f"{len(self.members)} of {self.of} {say} {_first_label(self.members[0])}"


def title_of(outcome: Prediction | Failure | str) -> str:
    """Return the title of a model, by the name of a built-in one too; the name itself where there is no title."""
    name, title = (outcome, "") if isinstance(outcome, str) else (outcome.model, outcome.title)
    if name == ENSEMBLE:
        return "Ensemble"
    return title or (BUILT_IN[name].title if name in BUILT_IN else name)


def label_of(space: LabelSpace, index: int) -> str:
    """Return the label of a class, with its WordNet id where another class of the space has the same label."""
    label, synset = space.labels[index], space.synsets[index]
    return f"{label} ({synset})" if synset and label in _repeated_labels(space) else label


def agreement(predictions: Sequence[Prediction]) -> list[Group]:
    """Return the groups of models with the same first choice, the largest first, equal ones in the given order."""
    counts = Counter(prediction.label_space.name for prediction in predictions)
    groups: dict[tuple[str, int], list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault((prediction.label_space.name, prediction.first.index), []).append(prediction)
    found = [Group(tuple(members), counts[space]) for (space, _), members in groups.items()]
    return sorted(found, key=lambda group: -len(group.members))


def headline(predictions: Sequence[Prediction], ensemble: Ensemble | None) -> str:
    """Return the sentence above the charts: "Ensemble: tabby 84.1 % · 5 of 6 agree · ResNet50 says lynx".

    Where the first choices differ, it speaks first of what they have in common, see `hierarchy`: "All 4 see a dog
    (93.7 %); they differ on the breed: Saluki 15.9 %, Rhodesian ridgeback 11.0 %, …".

    Where several classes have the most votes: "Ensemble: tie of 2: tabby, lynx (50.0 % each)". Above a limit of
    entropy: "Unsure · Ensemble: tabby 21.3 % · all 3 differ" for networks of ImageNet, for others "Most likely none of
    these: the models disagree (2 of 3 say bird, together 34.0 %; entropy 2.61 bits, the limit is 2.30)".
    Only `predictions` with the ensemble's label space count. Without an ensemble, the first choice of each model.
    """
    if ensemble is None:
        hints = [_hint(p) for p in predictions]
        firsts = {(p.label_space.name, p.first.index) for p in predictions}
        if len(firsts) == 1 < len(predictions) and not any(hints):
            shares = sorted(p.first.probability for p in predictions)
            label = label_of(predictions[0].label_space, predictions[0].first.index)
            every = "Both" if len(predictions) == 2 else f"All {len(predictions)}"
            return f"{every} say {label} ({percent(shares[0])} to {percent(shares[-1])})"
        said = [f"{title_of(p)}: {_first_choice(p)}" for p in predictions]
        return " · ".join(map("".join, zip(said, hints, strict=True)))
    space, first = ensemble.prediction.label_space, ensemble.prediction.first.index
    if is_none_of_these(ensemble) and space.entropy_limit:
        return f"Most likely none of these: {_doubt(ensemble, space.entropy_limit)}"
    members = [prediction for prediction in predictions if prediction.label_space.name == space.name]
    if len(members) <= 1:
        head = members[0] if members else ensemble.prediction
        parts = [f"{title_of(head)}: {_first_choice(head)}"]
    elif common := _common(members, ensemble):
        parts = [common]
    elif tie := _tie(ensemble):
        parts = [f"Ensemble: {tie}"]
    else:
        dissenters = [member for member in members if member.first.index != first]
        parts = [f"Ensemble: {_first_choice(ensemble.prediction)}", _agreeing(members, len(dissenters))]
        if dissenters:
            parts.append(_dissent(dissenters))
    if is_unsure(ensemble):
        return " · ".join(["Unsure", *parts])
    if ensemble.uncertainty.level == "high":
        parts.append("high uncertainty")
    return " · ".join(parts)


def is_none_of_these(answer: Ensemble | Prediction) -> bool | None:
    """Whether the image most likely shows none of the classes, for an ensemble or a single model.

    None where the classes have no limit or do not exclude each other; see `out_of_distribution`.
    """
    space = answer.label_space if isinstance(answer, Prediction) else answer.prediction.label_space
    if space.entropy_limit is None or (found := _as_measured(answer)) is None:
        return None
    return out_of_distribution.is_none_of_these(found.prediction.label_space, found.uncertainty)


def is_unsure(answer: Ensemble | Prediction) -> bool | None:
    """Whether the entropy of an ensemble or a single model is above its measured limit; None where it has none."""
    return None if (found := _of_own_classes(answer)) is None else out_of_distribution.is_unsure(found)


def describe_limit(label_space: LabelSpace) -> str:
    """Return how many images the check for "none of these" flags; empty where there is no such check."""
    limit = label_space.entropy_limit
    if limit is None:
        return ""
    own = percent(1 - out_of_distribution.KEPT, 0)
    if not limit.flagged:
        return (
            f"This check flags {own} of the images that the model was measured on. Unrelated photos have not been "
            "measured."
        )
    others = ", ".join(f"{percent(share, 0)} of {what}" for what, share in limit.flagged.items())
    return f"This check flags {others} and {own} of {space_title(label_space)}'s test images."


def describe_unsure(answer: Ensemble | Prediction) -> tuple[str, str]:
    """Return the figures behind "unsure": the entropy with its limit, and what the limit keeps and flags.

    Two empty texts without a limit.
    """
    found = _of_own_classes(answer)
    limit = None if found is None else out_of_distribution.measured_limit(found)
    if found is None or limit is None:
        return "", ""
    measured = out_of_distribution.measured()
    inside = measured["sources"][measured["inside"]]
    lines = [
        f"The limit keeps {percent(out_of_distribution.KEPT, 0)} of {inside['images']:,} of {inside['title']}. "
        "Unfamiliar images are above it, with a class or without:\n",
        *(f"- {percent(share, 0)} of {what}" for what, share in limit.flagged.items()),
    ]
    entropy = f"entropy {found.uncertainty.entropy_bits:.2f} bits, the limit is {limit.entropy_bits:.2f}"
    return entropy, "\n".join(lines)


def space_title(label_space: LabelSpace) -> str:
    """Return the title of a label space: its known name, or some of its classes."""
    labels = label_space.labels
    own, _, level = label_space.name.rpartition("_")
    if label_space.name in SPACE_TITLES:
        return SPACE_TITLES[label_space.name]
    if own in SPACE_TITLES and level in LEVEL_TITLES:
        return f"{LEVEL_TITLES[level]} of {SPACE_TITLES[own]}"
    if len(labels) <= NAMED_CLASSES + 1:
        return ", ".join(labels)
    return f"{', '.join(labels[:NAMED_CLASSES])} and {len(labels) - NAMED_CLASSES} more"


def describe_knowledge(specs: Sequence[ModelSpec]) -> str:
    """Return the classes of these models: "Classes: airplane, automobile, …, truck only.".

    Empty where all have ImageNet's thousand classes, which cover most photos.
    """
    spaces = {spec.label_space: spec.get_label_space() for spec in specs}
    if set(spaces) <= {"imagenet_1k"}:
        return ""
    if len(spaces) > 1:
        titles = {space: ", ".join(spec.title for spec in specs if spec.label_space == space) for space in spaces}
        return " ".join(f"{titles[name]}: {_classes(space)}." for name, space in spaces.items())
    (space,) = spaces.values()
    height, width = max((spec.input_size for spec in specs), key=max)
    seen = f" Input: {width} × {height} px." if max(height, width) <= SMALL_SIDE_PX else ""
    return f"Classes: {_classes(space)}.{seen}"


def describe_groups(groups: ClassGroups | None, specs: Sequence[ModelSpec]) -> tuple[str, ...]:
    """Return what a reader of `groups` must know: groups that overlap, and groups of which models know no class."""
    if groups is None or not specs:
        return ()
    spaces = {spec.label_space: spec.get_label_space() for spec in specs}
    shared: dict[tuple[str, str], str] = {}
    for space in spaces.values():
        for one, other, count, example in groups.overlaps(space):
            counted = f"{example} counts" if count == 1 else f"{count:,} classes, such as {example}, count"
            shared.setdefault((one, other), f"{one} and {other} overlap: {counted} in both.")
    found = list(shared.values())
    if (more := len(found) - NAMED_OVERLAPS) > 0:
        found[NAMED_OVERLAPS:] = [f"{more:,} more {'pairs overlap' if more > 1 else 'pair overlaps'}."]
    unknown = {name: groups.unknown(space) for name, space in spaces.items()}
    for group in groups.groups:
        lacking = [spec.title for spec in specs if group.name in unknown[spec.label_space]]
        if len(lacking) == len(specs):
            found.append(f"None of these models knows a class of {group.name}.")
        elif lacking:
            found.append(f"No class of {group.name}: {', '.join(lacking)}.")
    return tuple(found)


def describe_without(without: Without) -> str:
    """Return the ensemble's first choice without one member: "Without VGG16 it would say lynx 41.2 %."."""
    title, still = title_of(without.member), "" if without.is_decisive else "still "
    if tie := _tie(without.ensemble):
        return f"Without {title}: {tie}."
    return f"Without {title} it would {still}say {_first_choice(without.ensemble.prediction)}."


def _as_measured(answer: Ensemble | Prediction) -> Ensemble | None:
    """Return the ensemble that limits hold for: a single model as one, members as their networks gave them.

    None for a model whose classes do not exclude each other.
    """
    if isinstance(answer, Ensemble):
        return answer.before or answer
    return combine([answer]) if answer.label_space.exclusive else None


def _of_own_classes(answer: Ensemble | Prediction) -> Ensemble | None:
    """Return the same of the networks' own classes where they are rolled up; None where these differ."""
    if isinstance(answer, Prediction):
        return _as_measured(answer.own or answer)
    found = answer.before or answer
    own = [member.own or member for member in found.members]
    if not any(member.own for member in found.members):
        return found
    is_one_space = len({one.label_space.name for one in own}) == 1
    return combine(own, "weighted_mean", found.weights) if is_one_space else None


def _hint(prediction: Prediction) -> str:
    if is_none_of_these(prediction):
        return " (most likely none of these)"
    return " (unsure)" if is_unsure(prediction) else ""


def _first_choice(prediction: Prediction) -> str:
    """Return "tabby 84.1 %"."""
    return f"{_first_label(prediction)} {percent(prediction.first.probability)}"


def _first_label(prediction: Prediction) -> str:
    return label_of(prediction.label_space, prediction.first.index)


@lru_cache(maxsize=16)
def _repeated_labels(space: LabelSpace) -> frozenset[str]:
    return frozenset(label for label, count in Counter(space.labels).items() if count > 1)


def _doubt(ensemble: Ensemble, limit: EntropyLimit) -> str:
    """Return the first choice of the ensemble, how many members share it, and the entropy with its limit."""
    prediction, members, count = ensemble.prediction, ensemble.members, len(ensemble.members)
    label, figure = _first_label(prediction), percent(prediction.first.probability)
    entropy = f"entropy {ensemble.uncertainty.entropy_bits:.2f} bits, the limit is {limit.entropy_bits:.2f}"
    if count == 1:
        return f"{title_of(members[0])} is unsure ({label} {figure}; {entropy})"
    if tie := _tie(ensemble):
        return f"the models disagree ({tie}; {entropy})"
    agreeing = [member for member in members if member.first.index == prediction.first.index]
    if len(agreeing) == count:
        return f"{'both' if count == 2 else f'all {count}'} models are unsure ({label} {figure}; {entropy})"
    say = "says" if len(agreeing) == 1 else "say"
    return f"the models disagree ({len(agreeing)} of {count} {say} {label}, together {figure}; {entropy})"


def _classes(label_space: LabelSpace) -> str:
    """Return the classes of a label space: all of them where they are few."""
    labels = label_space.labels
    if len(labels) <= LISTED_CLASSES:
        return f"{', '.join(labels)} only"
    if label_space.name in SPACE_TITLES:
        return f"the {len(labels):,} classes of {SPACE_TITLES[label_space.name]}"
    return f"{len(labels):,}, from {labels[0]} to {labels[-1]}"


def _common(members: Sequence[Prediction], ensemble: Ensemble) -> str:
    """Return what members with different first choices have in common, and where they differ; else nothing."""
    firsts = {member.first.index for member in members}
    combined, tree = ensemble.prediction, hierarchy_of(ensemble.prediction.label_space)
    node = tree.common(list(firsts)) if len(firsts) > 1 else None
    if node is None:
        return ""
    below = tree.classes_below(node)
    if combined.first.index not in below:  # the second choices of all outweigh their first
        return ""
    order = sorted(below.tolist(), key=lambda index: -combined.probabilities[index])
    named = order[: min(len(firsts), NAMED_BELOW)]
    listed = [f"{label_of(combined.label_space, i)} {percent(float(combined.probabilities[i]))}" for i in named]
    more = ["…"] if len(firsts) > len(named) else []
    every = "Both" if len(members) == 2 else f"All {len(members)}"
    whole = percent(float(tree.sums(combined.probabilities)[node]))
    differ = "breed" if any(above.synset in HAVE_BREEDS for above in tree.path(node)) else "kind"
    return (
        f"{every} see {_with_article(tree.nodes[node])} ({whole}); they differ on the {differ}: "
        f"{', '.join([*listed, *more])}"
    )


def _with_article(node: Node) -> str:
    """Return "a dog", "an animal", "food"."""
    if node.label in NO_ARTICLE:
        return node.label
    return f"{'an' if node.label[0].lower() in 'aeiou' else 'a'} {node.label}"


def _tie(ensemble: Ensemble) -> str:
    """Return "tie of 2: tabby, lynx (50.0 % each)" where several classes have the most votes; else nothing."""
    if not RULES[ensemble.rule].ties:
        return ""
    prediction = ensemble.prediction
    count = int((prediction.probabilities == prediction.probabilities.max()).sum())
    if count == 1:
        return ""
    named = [label_of(prediction.label_space, found.index) for found in prediction.top_k(min(count, NAMED_TIED))]
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return f"tie of {count}: {', '.join(named)}{more} ({percent(prediction.first.probability)} each)"


def _agreeing(members: Sequence[Prediction], dissenting: int) -> str:
    """Return how many of the members have the ensemble's first choice."""
    count, agreeing = len(members), len(members) - dissenting
    every = "both" if count == 2 else f"all {count}"
    if not dissenting:
        return f"{every} agree"
    if len({member.first.index for member in members}) == count:
        return f"{every} differ"
    if agreeing <= 1:
        return f"{agreeing or 'none'} of {count} says so"
    return f"{agreeing} of {count} agree"


def _dissent(dissenters: list[Prediction]) -> str:
    named = [(title_of(p), _first_label(p)) for p in dissenters[:NAMED_DISSENTERS]]
    if len(named) == 2 and named[0][1] == named[1][1]:
        sentence = f"{named[0][0]} and {named[1][0]} say {named[0][1]}"
    else:
        sentence = ", ".join(f"{title} says {label}" for title, label in named)
    more = len(dissenters) - len(named)
    return f"{sentence}, and {more} more" if more else sentence
