"""The demonstration: the chart holds the file's numbers, and they show what the page says they show."""

import pytest

from imgrec.charts import normalization_mistake
from imgrec.charts.normalization_mistake import Demonstration, chart, describe, rows

NETWORK = {"kind": "plain", "epochs": [{"epoch": 1, "accuracy": 0.3, "alike": 0.42, "one_sided": 0.1}]}
SMALL = Demonstration({"data": "ten", "classes": 10, "networks": [NETWORK], "measured_at": "2026-01-02T03:04:05"})


def test_chart_table_and_words_say_the_same() -> None:
    spec = chart(NETWORK, SMALL.chance, SMALL.top)
    assert {row["value"] for row in spec["layer"][0]["data"]["values"]} == {0.3, 0.42, 0.1}
    assert spec["layer"][1]["data"]["values"] == [{"value": 0.1}]
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 0.5]
    assert [len(row) for row in rows(NETWORK)] == [4]
    words = describe(NETWORK, SMALL.chance).replace("\u202f", " ")
    assert words.startswith("Plain: validation accuracy after epoch 1 is 42.0 % with normalization")
    assert "10.0 % without" in words


def test_what_is_committed_shows_the_mistake() -> None:
    found = normalization_mistake.one_sided()
    assert found is not None
    for network in found.networks:
        last = network["epochs"][-1]
        assert last["one_sided"] < last["alike"]
    # The pretrained one is the system's own case: near chance though it knows the classes.
    worst = min(network["epochs"][-1]["one_sided"] for network in found.networks)
    assert worst < 2.5 * found.chance


def test_without_the_file_there_is_nothing_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalization_mistake, "ONE_SIDED", normalization_mistake.ONE_SIDED.with_name("none.json"))
    assert normalization_mistake.one_sided() is None
