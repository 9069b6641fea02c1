"""The chart of speed and accuracy: every model, the frontier, and names that cover nothing."""

from dataclasses import replace

from imgrec.charts import pareto
from imgrec.charts.theme import PLOT_PX
from imgrec.evaluation.comparisons import Point
from tests.charts.reading import drawn, mark

Box = tuple[float, float, float, float]


def point(model: str, latency_ms: float, top_1: float) -> Point:
    return Point(model, f"{model} network", latency_ms, top_1, top_1 - 0.01, top_1 + 0.01, 1, True)


def test_the_line_goes_through_the_frontier_alone() -> None:
    points = [point("a", 1, 0.5), replace(point("b", 5, 0.4), on_frontier=False), point("c", 10, 0.9)]
    spec = pareto.pareto_chart(points)
    assert [row["Model"] for row in drawn(spec, "line")] == ["a network", "c network"]
    assert [row["shape"] for row in drawn(spec, "point")] == ["diamond", "circle", "diamond"]
    assert [(row["ms"], row["top_1"], row["low"], row["high"]) for row in drawn(spec, "point")] == [
        (one.latency_ms, one.top_1, one.low, one.high) for one in points
    ]
    assert mark(spec, "point").channels["x"]["scale"]["type"] == "log"
    low, high = mark(spec, "point").channels["y"]["scale"]["domain"]
    assert low < 0.4 < 0.9 < high <= 1
    assert pareto.describe_pareto(points).replace("\u202f", " ") == (
        "On the frontier, the fastest first: a network (1.0 ms, 50.0 %), c network (10.0 ms, 90.0 %). "
        "Slower and less accurate than another model: b network."
    )


def test_names_that_would_cover_each_other_go_elsewhere() -> None:
    apart = drawn(pareto.pareto_chart([point("a", 1, 0.5), point("b", 10, 0.9)]), "text")
    assert [(row["name"], row["align"]) for row in apart] == [("a network", "left"), ("b network", "left")]
    crowd = drawn(pareto.pareto_chart([point(name, 1 + 0.001 * i, 0.7) for i, name in enumerate("abcdefgh")]), "text")
    assert {"right", "left"} <= {row["align"] for row in crowd}


def box(row: dict[str, float | str], times: list[float], scores: list[float]) -> Box:
    """Return the room of a text in the plot, by the arithmetic of the axes."""
    import math

    x = math.log(float(row["ms"]) / times[0]) / math.log(times[1] / times[0]) * 1000 + float(row["dx"])
    y = (scores[1] - float(row["top_1"])) / (scores[1] - scores[0]) * PLOT_PX + float(row["dy"])
    width = 6 * len(str(row["name"]))
    left = x - {"left": 0, "center": width / 2, "right": width}[str(row["align"])]
    return left, y - 7, left + width, y + 7


def test_no_names_overlap_in_a_crowd() -> None:
    points = [point(name, 1.25**i, 0.7 + 0.004 * (i % 3)) for i, name in enumerate("abcdefghijkl")]
    spec = pareto.pareto_chart(points)
    channels = mark(spec, "text").channels
    boxes = [
        box(row, channels["x"]["scale"]["domain"], channels["y"]["scale"]["domain"]) for row in drawn(spec, "text")
    ]
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_point_whose_name_has_no_room_has_its_number() -> None:
    points = [point(name, 1 + 0.01 * i, 0.7) for i, name in enumerate("abcdefgh")]
    rows = drawn(pareto.pareto_chart(points), "text")
    assert all(row["name"] in (row["Model"], str(i)) for i, row in enumerate(rows, 1))
    assert {row["name"] for row in rows} & set("12345678")
    assert [row["number"] for row in rows] == list("12345678")
    assert pareto.numbers(points[:2]) == "1\u00a0a network, 2\u00a0b network"


def test_those_on_the_frontier_have_their_names_first() -> None:
    slow = [replace(point(name, 1.02 + 0.02 * i, 0.7), on_frontier=False) for i, name in enumerate("abcdef")]
    rows = drawn(pareto.pareto_chart([*slow, point("winner", 1, 0.7), point("other", 3, 0.9)]), "text")
    named = [row["name"] == row["Model"] for row in rows]
    assert named[-2:] == [True, True]
    assert not all(named)
