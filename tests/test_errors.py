import inspect
import re

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
