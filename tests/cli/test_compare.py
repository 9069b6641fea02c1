"""`imgrec compare`: the paired test on stored predictions, and on images that are measured first."""

import csv
import io
import json
from pathlib import Path

import pytest

from imgrec.cli import compare, main
from imgrec.evaluation import comparisons
from imgrec.evaluation.aligned_results import load
from tests.cli.test_evaluate import Run, answers, imgrec, pets  # noqa: F401 (fixtures)
from tests.evaluation.measured import measure

MODELS = ("mobilenet", "mobilenet_v2", "mobilenet_a025_128")


@pytest.fixture
def run(imgrec: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:  # noqa: F811
    """Runs the command in an empty folder; nothing but what a test measures is measured."""
    monkeypatch.setattr(compare, "ASSETS", tmp_path / "assets")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["imgrec", "compare", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_stored_predictions_are_compared(run: Run, tmp_path: Path) -> None:
    measure(tmp_path / "assets" / "benchmarks", MODELS)
    code, out, _ = run("mobilenet", "mobilenet_a025_128", "--data", "cifar10")
    assert code == 0
    assert out.splitlines()[0].startswith("mobilenet_a025_128")
    assert "Mobilenet_a025_128 is more accurate than mobilenet on 200 images" in out
    _, text, _ = run(*MODELS, "--data", "cifar10", "--format", "json")
    tests = comparisons.paired_tests(load([tmp_path / "assets" / "benchmarks"], "cifar10"))
    rows = json.loads(text)
    assert [row["p_value_holm"] for row in rows] == [test.corrected for test in tests]
    assert [(row["only_a"], row["only_b"]) for row in rows] == [(one.paired.only_a, one.paired.only_b) for one in tests]
    _, text, _ = run(*MODELS, "--data", "cifar10", "--format", "csv")
    assert [row["better"] for row in csv.DictReader(io.StringIO(text))] == [row["better"] or "" for row in rows]


def test_images_are_measured_first(run: Run, answers: None, tmp_path: Path) -> None:  # noqa: F811
    pets(tmp_path)
    code, out, _ = run("mobilenet", "mobilenet_v2", "--data", "pets", "--out", "measured")
    assert code == 0
    assert "No clear difference between" in out
    assert (tmp_path / "measured" / "summary.json").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["mobilenet", "--data", "cifar10"], "two models or more", id="one model"),
        pytest.param(["mobilenet", "mobilenet", "--data", "cifar10"], "two models or more", id="twice the same"),
        pytest.param(["mobilenet", "mobilenett", "--data", "x"], "mobilenett", id="no model"),
        pytest.param(["mobilenet", "mobilenet_v2", "--data", "nowhere"], "nowhere", id="no data"),
        pytest.param(["mobilenet", "mobilenet_v2"], "--data", id="without data"),
        pytest.param(["mobilenet", "vgg19", "--data", "measured_only"], "Received: vgg19", id="not measured"),
        pytest.param(["mobilenet", "mobilenet_v2", "--data", "x", "--format", "yaml"], "parquet", id="no format"),
        pytest.param(["mobilenet", "mobilenet_v2", "--data", "\0"], "Expected", id="no path"),
    ],
)
def test_bad_words_get_a_sentence(words: list[str], said: str, run: Run, tmp_path: Path) -> None:
    measure(tmp_path / "assets" / "benchmarks", MODELS, name="measured_only")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
