import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgrec import errors
from imgrec.errors import ImgrecError, UnknownNameError


def classes() -> dict[str, type[ImgrecError]]:
    found = dict(inspect.getmembers(errors, inspect.isclass))
    return {name: cls for name, cls in found.items() if issubclass(cls, ImgrecError)}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, str | None] = {}
    branch: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ((?:[│ ]   )*(?:[├└]── )?)(\w+Error)\s", line)
        if match:
            depth = len(match[1]) // 4
            branch = [*branch[:depth], (depth, match[2])]
            drawn[match[2]] = branch[depth - 1][1] if depth else None
    real = {name: cls.__bases__[0].__name__ if cls is not ImgrecError else None for name, cls in classes().items()}
    assert drawn == real


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    error = UnknownNameError.of("model", "resnet5", ["vgg16", "resnet50", "mobilenet"])
    assert str(error) == "Expected the name of a model, such as resnet50. Received: 'resnet5'."


def test_every_error_has_a_status_for_the_api() -> None:
    assert all(400 <= cls.http_status < 600 for cls in classes().values())


@pytest.fixture
def hidden(tmp_path: Path) -> Iterator[Path]:
    """A folder that is hidden, in one that is, too."""
    errors.hide_folders({tmp_path: "~", tmp_path / "weights": "KERAS_HOME"})
    yield tmp_path
    errors.hide_folders({})


def test_a_server_names_no_folders_and_its_log_does(hidden: Path, caplog: pytest.LogCaptureFixture) -> None:
    error = ImgrecError(f"Expected a file at {hidden}/weights/models/a.h5. Received: {hidden}/b.h5.")
    for _ in range(2):
        assert str(error) == "Expected a file at KERAS_HOME/models/a.h5. Received: ~/b.h5."
    assert [record.getMessage() for record in caplog.records] == [error.args[0]]


def test_elsewhere_folders_are_named(tmp_path: Path) -> None:
    assert str(ImgrecError(f"Expected a file at {tmp_path}.")) == f"Expected a file at {tmp_path}."
