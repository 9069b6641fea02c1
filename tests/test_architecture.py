"""The house rules: who stands on which floor, which package may enter which room, and a server without TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec.settings import ROOT

# A module imports at its top only what stands before it. A module that is not listed fails: there is no utils.py.
FLOORS = [
    # ground floor: vocabulary
    "errors",
    "registries",
    "settings",
    "formatting",
    "storage",
    "labels",
    "signatures",
    "colours",
    "images",
    "samples",
    "catalogue",
    "predictions",
    "showcase",
    # first floor: arithmetic
    "preprocessing",
    "likeness",
    "folds",
    "rules",
    "ensembles",
    "abstention",
    "metrics",
    "suspects",
    "confusion",
    "curves",
    "statistics",
    "accuracy",
    "stacks",
    # second floor: machinery
    "downloads",
    "weights",
    "cards",
    "anatomy",
    "archives",
    "rows",
    "arrays",
    "layouts",
    "label_tables",
    "cifar10",
    "datasets",
    "albums",
    "jobs",
    "workers",
    "torch_checkpoint",
    "engines",
    "conversion",
    "preparation",
    "pool",
    # third floor: workflows
    "pipeline",
    "standalone",
    "exports",
    "labelled",
    "flowing",
    "artefacts",
    "summaries",
    "evaluation",
    "boards",
    "comparisons",
    "published",
    "features",
    "findings",
    "examined",
    "twins",
    "checkups",
    "doctor",
    "training",
    # fourth floor: faces
    "verdicts",
    "vega",
    "reports",
    "questions",
    "charts",
    "benchmark_charts",
    "learning",
    "lesson_charts",
    "demonstrations",
    "tuning_charts",
    "brushing",
    "ui",
    "shell",
    "compression",
    "api",
    "cli",
    "__main__",
]

# A package may be imported, at the top or inside a function, only by the modules beside it.
FENCES = {
    "streamlit": {"ui", "shell", "app", "pages"},
    "tensorflow": {"engines.keras", "training"},
    "keras": {"engines.keras", "engines.efficientnet_lite", "conversion", "training"},
    "keras_tuner": {"training.tuner"},
    "openvino": {"engines.openvino", "engines.streaming", "conversion"},
    "altair": {"charts"},
    "plotly": {"brushing"},
    "pyarrow": {"artefacts"},
    "urllib": {"downloads"},
    "http": {"downloads"},
    "socket": {"downloads"},
    "typer": {"cli"},
    "starlette": {"api", "app", "compression"},
    "PIL": {"colours", "images", "preprocessing"},
}

# What the server and the command line must not have loaded before a visitor comes.
HEAVY = ("tensorflow", "keras", "torch", "jax")


def modules() -> dict[str, Path]:
    """Dotted name below imgrec/ → file; app.py and the pages under `app` and `pages`."""
    found = {}
    for path in sorted((ROOT / "imgrec").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "imgrec").with_suffix("").parts)
        found[name.removesuffix(".__init__") if name != "__init__" else ""] = path
    found.pop("", None)
    found["app"] = ROOT / "app.py"
    found |= {f"pages.{path.stem}": path for path in sorted((ROOT / "pages").glob("*.py"))}
    return found


def imports(path: Path, *, top_only: bool) -> set[str]:
    """The modules that a file imports; with `top_only` leaving out those inside functions and `TYPE_CHECKING`."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def room(dotted: str) -> str:
    """The floor on which a module stands: its first name."""
    return dotted.split(".")[0]


OWN = {name: path for name, path in modules().items() if room(name) not in {"app", "pages"}}


@pytest.mark.parametrize("name", OWN)
def test_a_module_imports_only_what_stands_below_it(name: str) -> None:
    assert room(name) in FLOORS, f"imgrec.{name} has no place in FLOORS"
    above = FLOORS[FLOORS.index(room(name)) + 1 :]
    mine = {m.removeprefix("imgrec.") for m in imports(OWN[name], top_only=True) if m.startswith("imgrec.")}
    assert not {m for m in mine if room(m) in above}


@pytest.mark.parametrize("name", modules())
def test_a_package_is_imported_only_behind_its_fence(name: str) -> None:
    allowed_as = {name, room(name)}
    used = {m.split(".")[0] for m in imports(modules()[name], top_only=False)}
    trespassed = {package for package in used & FENCES.keys() if not FENCES[package] & allowed_as}
    assert not trespassed


def test_pages_hold_no_functions_loops_or_try() -> None:
    for path in (ROOT / "pages").glob("*.py"):
        source = path.read_text()
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not kinds & {ast.FunctionDef, ast.For, ast.While, ast.Try, ast.ClassDef}, path.name
        assert len(source.splitlines()) <= 60, path.name


@pytest.mark.parametrize("entry", ["import app", "import imgrec.cli", "import imgrec.pipeline, imgrec.api"])
def test_no_training_runtime_is_loaded_by_importing(entry: str) -> None:
    code = f"import sys; {entry}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
