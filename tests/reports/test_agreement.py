"""Lines of labels against models: which there are, in which order, and what is below a group that is opened."""

import numpy as np
import pytest

from imgrec.predictions import hierarchy
from imgrec.predictions.ensembles import RULES, combine
from imgrec.predictions.labels import CIFAR_10, get_label_space
from imgrec.predictions.prediction import Prediction
from imgrec.reports import agreement
from imgrec.reports.agreement import LEAST_SHARE, MAX_LINES, Column, Line
from tests.charts.test_agreement_matrix import COLUMNS, MODELS, WAITING, lines
from tests.charts.test_top_k import MEMBERS, VGG16

IMAGENET = get_label_space("imagenet_1k")


def test_lines_are_the_union_of_the_top_classes_in_the_order_of_the_ensemble() -> None:
    found = lines(COLUMNS, 2)
    ensemble = combine(MEMBERS).prediction
    assert {line.label for line in found} == {"tabby", "lynx"}
    assert [line.index for line in found] == [i for i in ensemble.order if i in {line.index for line in found}]
    more = lines(COLUMNS, 5)
    assert [line.label for line in more] == [
        "tabby",
        "lynx",
        "crane (n02012849)",
        "crane (n03126707)",
        'a "quoted" label',
    ]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_orders_the_lines(rule: str) -> None:
    columns = agreement.columns_of(combine(MEMBERS, rule), MODELS)
    assert {line.index for line in lines(columns)} == {line.index for line in lines(COLUMNS)}
    assert lines(columns)[0].label == combine(MEMBERS, rule).prediction.first.label


def test_classes_below_a_tenth_of_a_percent_have_no_line_unless_they_are_pinned() -> None:
    alone = [MODELS[2]]
    assert [line.label for line in lines(alone, 5)] == ["tabby"]
    assert [line.label for line in agreement.lines_of(alone, 5, 3)] == ["tabby", "crane (n03126707)"]


def test_without_an_ensemble_the_mean_orders_the_lines() -> None:
    assert agreement.columns_of(None, MODELS) == MODELS
    assert agreement.columns_of(combine([VGG16]), MODELS[:1]) == MODELS[:1]
    assert [line.index for line in lines(MODELS, 2)] == [line.index for line in lines(COLUMNS, 2)]


def test_few_lines_are_drawn_and_every_first_choice_is_among_them() -> None:
    space = get_label_space("imagenet_1k")
    random = np.random.default_rng(3)
    members = [Prediction(f"model_{i}", space, random.dirichlet(np.full(1000, 0.05))) for i in range(10)]
    columns = agreement.columns_of(combine(members), [Column(m.model, m.model, "", m) for m in members])
    found = agreement.lines_of(columns, 5)
    last = found[-1].index
    shown = agreement.shown_lines(found, pinned=last)
    assert len(found) > len(shown) == MAX_LINES
    assert {member.first.index for member in members} | {last} <= {line.index for line in shown}
    assert shown == [line for line in found if line in shown]


def test_a_column_that_waits_has_neither_shares_nor_ranks() -> None:
    assert [(line.probabilities[1], line.ranks[1]) for line in lines(WAITING, 2)] == [(None, None)] * 2


def rolled_up(level: str, count: int = 4) -> list[Column]:
    """Columns of models at a level, with the ensemble before them."""
    random = np.random.default_rng(7)
    members = [Prediction(f"model_{i}", IMAGENET, random.dirichlet(np.full(1000, 0.02))) for i in range(count)]
    shown = [hierarchy.roll_up(member, level) for member in members]
    models = [Column(m.model, m.model, "", one, m) for m, one in zip(members, shown, strict=True)]
    return agreement.columns_of(combine(shown), models, combine(members).prediction)


def test_without_an_opened_group_lines_stay_and_know_their_groups() -> None:
    columns = rolled_up("kind")
    found = agreement.lines_of(columns, 5)
    closed = agreement.open_groups(found, columns, (), 5, "kind")
    assert [line.label for line in closed] == [line.label for line in found]
    assert {line.group for line in closed} - {None} <= set(agreement.group_names(IMAGENET))
    assert any(line.group for line in closed)
    assert not any(line.is_open or line.depth for line in closed)
    # At the level of the classes there is nothing to open.
    assert agreement.open_groups(lines(COLUMNS), COLUMNS, ("cat",), 5, "kind") == lines(COLUMNS)


@pytest.mark.parametrize("level", ["kind", "category"])
@pytest.mark.parametrize("k", [1, 5, 10])
def test_the_parts_of_a_group_add_up_to_it(level: str, k: int) -> None:
    columns = rolled_up(level)
    names = agreement.group_names(IMAGENET)
    found = agreement.open_groups(agreement.lines_of(columns, 5), columns, names, k, level)
    opened = [(place, line) for place, line in enumerate(found) if line.is_open]
    assert opened
    for place, line in opened:
        below: list[Line] = []
        for after in found[place + 1 :]:
            if after.depth <= line.depth:
                break
            below += [after] if after.depth == line.depth + 1 else []
        assert 1 <= len(below) <= k + 1
        for column in range(len(columns)):
            total = sum(one.probabilities[column] or 0.0 for one in below)
            # Parts of which no model has a tenth of a percent are left out.
            assert -1e-5 <= line.probabilities[column] - total <= LEAST_SHARE * 20


def test_a_group_opens_down_to_single_classes_without_steps_that_part_nothing() -> None:
    probabilities = np.zeros(1000)
    saluki, ridgeback, tabby = 176, 159, 281
    probabilities[[saluki, ridgeback, tabby]] = [0.6, 0.3, 0.1]
    own = Prediction("mine", IMAGENET, probabilities)
    columns = [Column("mine", "Mine", "", hierarchy.roll_up(own, "category"), own)]

    def said(*opened: str) -> list[tuple[int, str, bool]]:
        found = agreement.open_groups(agreement.lines_of(columns, 5), columns, opened, 5, "category")
        return [(line.depth, line.label, line.is_open) for line in found]

    assert said() == [(0, "animal", False)]
    assert said("animal") == [(0, "animal", True), (1, "mammal", False)]
    assert said("animal", "mammal")[2:] == [(2, "dog", False), (2, "cat", False)]
    deep = said("animal", "mammal", "dog", "hunting dog", "hound")
    assert (5, "Saluki", False) in deep
    assert (4, "Rhodesian ridgeback", False) in deep
    assert said("dog") == said()  # closed above


def test_classes_below_a_group_keep_their_ranks_and_their_place() -> None:
    columns = rolled_up("kind")
    found = agreement.open_groups(agreement.lines_of(columns, 5), columns, agreement.group_names(IMAGENET), 10, "kind")
    classes = [line for line in found if line.space == IMAGENET.name]
    assert classes
    for line in classes:
        assert line.index is not None
        for column, share, rank in zip(columns, line.probabilities, line.ranks, strict=True):
            assert column.classes is not None
            assert share == pytest.approx(float(column.classes.probabilities[line.index]))
            assert rank == column.classes.rank(line.index)


def test_the_pinned_class_has_a_line_below_its_opened_groups() -> None:
    columns = rolled_up("category")
    found = agreement.lines_of(columns, 5)
    saluki = IMAGENET.labels.index("Saluki")
    for pinned in (None, saluki):
        opened = agreement.open_groups(found, columns, agreement.group_names(IMAGENET), 1, "category", pinned)
        assert any(line.index == saluki and line.space == IMAGENET.name for line in opened) == (pinned is not None)


def test_few_classes_have_few_groups() -> None:
    assert {"vehicle", "animal", "mammal"} <= set(agreement.group_names(CIFAR_10))
    assert "dog" not in agreement.group_names(CIFAR_10)
