"""The house rules: which room may import which, where a package may be imported, and a server without TensorFlow."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from imgrec import extras
from imgrec.settings import ROOT

# A room imports only rooms before it. A module or package below imgrec/ that is not listed fails: there is no utils.py.
ROOMS = [
    "errors",
    "extras",
    "settings",
    "files",
    "json_files",
    "formatting",
    "jobs",
    "images",
    "predictions",
    "metrics",
    "models",
    "reports",
    "inference",
    "export",
    "data",
    "evaluation",
    "scale",
    "explanation",
    "remote",
    "training",
    "charts",
    "python_api",
    "ui",
    "api",
    "server",
    "cli",
    "__main__",
]

# A package may be imported, at the top or inside a function, only by the modules beside it.
FENCES = {
    "streamlit": {"ui", "app", "pages"},
    "tensorflow": {"inference.keras_networks", "training"},
    "keras": {
        "inference.keras_networks",
        "inference.efficientnet_lite",
        "inference.conversion",
        "export.export_worker",
        "training",
    },
    "keras_tuner": {"training.search_worker"},
    "openvino": {
        "inference.openvino_engine",
        "inference.network_graph",
        "inference.conversion",
        "inference.quantization",
        "inference.foreign_network",
        "inference.import_worker",
    },
    "nncf": {"inference.quantization"},
    "altair": {"charts"},
    "plotly": {"charts"},
    "scipy": {"training"},
    "pyarrow": {"evaluation.stored_predictions", "reports.flat_rows", "data.stores", "data.parquet_images"},
    "urllib": {"models.downloads", "images.remote", "data.stores"},  # the last to write a path as an address
    "http": {"models.downloads", "images.remote", "api.problems"},  # the last for the names of statuses
    "socket": {"models.downloads", "images.remote", "scale.cluster", "server.connections"},
    "ray": {"scale"},
    "ssl": {"images.remote"},
    "urllib3": {"remote"},
    "h5py": {"models.model_file"},
    "jinja2": {"reports.html_report"},
    "typer": {"cli"},
    "starlette": {"api", "server", "app"},
    "uvicorn": {"server"},
    "prometheus_client": {"server.metrics", "server.metrics_port"},
    "h11": {"server"},
    "PIL": {"images"},
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
    """Return the room of a module: the first part of its name."""
    return dotted.split(".")[0]


OWN = {name: path for name, path in modules().items() if room(name) not in {"app", "pages"}}


def own_imports(name: str) -> set[str]:
    """Return the modules of imgrec that a module imports at its top."""
    return {m.removeprefix("imgrec.") for m in imports(OWN[name], top_only=True) if m.startswith("imgrec.")}


@pytest.mark.parametrize("name", OWN)
def test_a_module_imports_only_rooms_before_its_own(name: str) -> None:
    assert room(name) in ROOMS, f"imgrec.{name} is in no room of ROOMS"
    later = ROOMS[ROOMS.index(room(name)) + 1 :]
    assert not {m for m in own_imports(name) if room(m) in later}


def test_no_module_imports_itself_through_others() -> None:
    before = {name: {m for m in own_imports(name) if m in OWN and not f"{name}.".startswith(f"{m}.")} for name in OWN}
    TopologicalSorter(before).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("name", modules())
def test_a_package_is_imported_only_behind_its_fence(name: str) -> None:
    allowed_as = {name, room(name)}
    used = {m.split(".")[0] for m in imports(modules()[name], top_only=False)}
    trespassed = {package for package in used & FENCES.keys() if not FENCES[package] & allowed_as}
    assert not trespassed


def test_what_serves_imports_no_package_of_an_extra() -> None:
    brought = {module for extra in extras.EXTRAS.values() for module in extra}
    found = {
        name: packages
        for name, path in modules().items()
        if not name.endswith("_worker")
        and (packages := {one.split(".")[0] for one in imports(path, top_only=True)} & brought)
    }
    assert found == {}


def test_pages_hold_no_functions_loops_or_try() -> None:
    for path in (ROOT / "pages").glob("*.py"):
        source = path.read_text()
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not kinds & {ast.FunctionDef, ast.For, ast.While, ast.Try, ast.ClassDef}, path.name
        assert len(source.splitlines()) <= 60, path.name


def test_the_api_alone_loads_no_pages() -> None:
    code = (
        "import sys; import imgrec.server.api_process; print([m for m in ('streamlit', 'altair') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "entry", ["import app", "import imgrec.cli", "import imgrec.inference.classify, imgrec.api.routes"]
)
def test_no_training_runtime_is_loaded_by_importing(entry: str) -> None:
    code = f"import sys; {entry}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
