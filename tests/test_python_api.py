"""`import imgrec`: its public names, what importing costs, and that it answers as the command line does."""

import ast
import doctest
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import imgrec as package
from imgrec import python_api
from imgrec.errors import ImgrecError
from imgrec.inference import classify
from imgrec.predictions import ensembles
from imgrec.reports import result
from imgrec.settings import ASSETS, ROOT, Settings
from tests.cli.test_cli import Run, cat, environment, imgrec  # noqa: F401 (fixtures)
from tests.inference.test_request import pool_of

NAMES = ["Ensemble", "Explanation", "ImgrecError", "Result", "compare", "evaluate", "explain", "predict"]
TWO = ["mobilenet", "mobilenet_v2"]


def test_the_public_names_are_these_and_no_others() -> None:
    assert package.__all__ == NAMES
    assert len(NAMES) <= 8
    assert dir(package) == sorted([*NAMES, "__version__"])
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        package.predictt  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented_and_hidden_by_no_module(name: str) -> None:
    found = getattr(package, name)
    assert found.__name__ == name
    assert found.__doc__
    assert f"`{name}`" in (package.__doc__ or "") or name in ("Result", "Explanation")
    # `import imgrec.NAME` anywhere would replace the function by the module.
    assert not [path for path in (ROOT / "imgrec").iterdir() if path.stem == name]
    if inspect.isfunction(found):
        assert "Example:" in found.__doc__
        assert all(
            one.annotation is not inspect.Parameter.empty for one in inspect.signature(found).parameters.values()
        )


def test_importing_loads_no_library() -> None:
    code = "import sys; before = set(sys.modules); import imgrec; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in eval(done.stdout)}  # noqa: S307 (a list of names that we printed)
    assert loaded - sys.stdlib_module_names == {"imgrec"}


def test_a_checker_of_types_sees_the_public_names() -> None:
    assert (ROOT / "imgrec" / "py.typed").is_file()
    (block,) = [node for node in ast.parse(inspect.getsource(package)).body if isinstance(node, ast.If)]
    imported = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == NAMES


@pytest.fixture
def fakes(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """The folder of `environment`; engines are fakes: VGG16 fails."""
    python_api._pool.cache_clear()
    monkeypatch.setattr(classify, "open_pool", lambda settings, preparations=None: pool_of("vgg16"))
    return environment


def test_a_prediction_is_that_of_the_command_line(fakes: Path, imgrec: Callable[..., Run], cat: str) -> None:  # noqa: F811
    found = package.predict(cat, TWO, weights={"mobilenet": 3}, level="kind")
    assert isinstance(found, package.Result)
    assert isinstance(found.ensemble, package.Ensemble)
    said = json.loads(
        imgrec(
            "predict", cat, "--models", ",".join(TWO), "--weights", "mobilenet=3", "--level", "kind", "--format=json"
        ).out
    )
    ours = json.loads(result.to_json([found]))
    for one in (*said[0]["models"], *ours[0]["models"]):
        del one["milliseconds"]
    assert ours == said
    assert "tabby" in str(package.predict(Path(cat).read_bytes(), "mobilenet"))


def test_a_folder_is_a_table(fakes: Path, imgrec: Callable[..., Run], cat: str) -> None:  # noqa: F811
    (fakes / "many").mkdir()
    shutil.copy(cat, fakes / "many" / "a.png")
    (fakes / "many" / "b.png").write_bytes(b"no image")
    table = package.compare("many", TWO)
    assert table["image"].tolist() == ["a.png", "b.png"]
    assert table.loc[0, ["label", "label_mobilenet", "label_mobilenet_v2"]].tolist() == ["tabby", "tabby", "tiger cat"]
    assert "text file" in table.loc[1, "error"]
    rows = json.loads(imgrec("sheet", "many", "--models", ",".join(TWO), "--order=given", "--format=json").out)
    assert [row["sha256"] for row in rows] == [table.loc[0, "sha256"], None]
    assert table.attrs["remarks"] == []
    assert "not there" in package.compare("nowhere", TWO).loc[0, "error"]


def test_a_model_that_fails_costs_its_own_columns_only(fakes: Path, cat: str) -> None:  # noqa: F811
    found = package.predict(cat, ["mobilenet", "vgg16"])
    assert [failure.model for failure in found.failures] == ["vgg16"]
    table = package.compare(cat, ["mobilenet", "vgg16"])
    assert table.loc[0, ["label_mobilenet", "label_vgg16"]].tolist() == ["tabby", None]


def test_maps_are_those_of_the_command_line(fakes: Path, cat: str) -> None:  # noqa: F811
    found = package.explain(cat, TWO, target="dog")
    assert isinstance(found, package.Explanation)
    assert [one.model for one in found.maps] == ["ensemble", *TWO]
    assert {one.target.label for one in found.maps} == {"dog"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        pytest.param(lambda: package.predict("none.jpg", "mobilenet"), "none.jpg, No such file", id="no file"),
        pytest.param(lambda: package.predict(".", "mobilenet"), "a folder", id="a folder"),
        pytest.param(lambda: package.predict(b"text", "mobilenet"), "This is a text file", id="no image"),
        pytest.param(lambda: package.predict(b"", "mobilenett"), "mobilenet,", id="no model"),
        pytest.param(lambda: package.predict(b""), "a model on this machine", id="none here"),
        pytest.param(lambda: package.predict(b"", "mobilenet", rule="men"), "mean", id="no rule"),
        pytest.param(lambda: package.predict(b"", "mobilenet", weights={"mobilenet": -1}), "0 or more", id="weight"),
        pytest.param(lambda: package.predict(b"", "mobilenet", classes={"pets": ["zorgon"]}), "zorgon", id="no class"),
        pytest.param(lambda: package.compare([], "mobilenet"), "Expected images", id="no images"),
        pytest.param(lambda: package.evaluate("nowhere"), "nowhere", id="no dataset"),
        pytest.param(lambda: package.explain(b"", "mobilenet", method="magic"), "cam", id="no method"),
    ],
)
def test_what_cannot_be_used_is_said(call: Callable[[], object], said: str, fakes: Path) -> None:
    with pytest.raises(ImgrecError) as raised:
        call()
    assert said in str(raised.value)


def test_a_pool_is_kept(fakes: Path) -> None:
    assert python_api._pool(Settings.from_env()) is python_api._pool(Settings.from_env())


def test_the_example_of_an_ensemble_is_true() -> None:
    assert doctest.testmod(ensembles).failed == 0


@pytest.fixture
def images(tmp_path: Path, ready: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that examples name, as the current one; a fresh home with compiled networks."""
    samples = {"cat": "cat.jpg", "horse": "horse_silhouette.jpg"}
    for word, file in samples.items():
        (tmp_path / "my_images" / word).mkdir(parents=True)
        shutil.copy(ASSETS / "samples" / file, tmp_path / "my_images" / word / f"{word}.jpg")
    shutil.copy(ASSETS / "samples" / "cat.jpg", tmp_path / "cat.jpg")
    monkeypatch.setenv("IMGREC_HOME", str(ready.home))
    monkeypatch.setenv("IMGREC_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the process of the notebook
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_examples_are_true(images: Path) -> None:
    found = doctest.testmod(python_api)
    assert (found.failed, found.attempted) == (0, 13)


@pytest.mark.slow
def test_the_notebook_runs(images: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "docs" / "python.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(images)}}).execute()
    said = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "cat" in said
