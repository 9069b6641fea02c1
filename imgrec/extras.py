"""Parts of imgrec that need packages beyond a serving installation, and the sentence where these are missing."""

import importlib.util

from imgrec.errors import MissingExtraError

# Extra → the modules that it brings, beside their packages' names where these differ. pyproject.toml has the versions.
EXTRAS = {
    "train": {
        "tensorflow": "TensorFlow",
        "keras_tuner": "keras-tuner",
        "sklearn": "scikit-learn",
        "scipy": "SciPy",
        "plotly": "Plotly",
    },
    "int8": {"nncf": "NNCF"},
    "ray": {"ray": "Ray"},
}


def missing(extra: str) -> list[str]:
    """Return the names of the packages of `extra`, a key of `EXTRAS`, that are not installed; nothing is imported."""
    return [name for module, name in EXTRAS[extra].items() if importlib.util.find_spec(module) is None]


def check(extra: str, purpose: str) -> None:
    """Raise `MissingExtraError` unless all packages of `extra` are installed; `purpose` is such as "to train"."""
    if names := missing(extra):
        raise MissingExtraError(
            f"Expected {', '.join(names)} {purpose}. Received: an installation without; "
            f"`pip install 'imgrec[{extra}]'` adds what is missing."
        )
