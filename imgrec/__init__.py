"""Compare Keras pretrained image classifiers side by side, average them, measure them, fine-tune them.

    import imgrec

    result = imgrec.predict("cat.jpg", models=["resnet50", "efficientnet_lite0"])
    table = imgrec.compare("my_images/")

`predict`: one image → `Result`.
`compare`: many images → a pandas DataFrame.
`evaluate`: labeled images → a pandas DataFrame of figures.
`explain`: one image → `Explanation`: where each model looked.
`Ensemble`: several predictions, combined.
`ImgrecError`: the base of every error that is raised on purpose.

Nothing is loaded before it is used: importing this package imports no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["Ensemble", "Explanation", "ImgrecError", "Result", "compare", "evaluate", "explain", "predict"]

if TYPE_CHECKING:
    from imgrec.errors import ImgrecError
    from imgrec.explanation.explanation import Explanation
    from imgrec.predictions.ensembles import Ensemble
    from imgrec.python_api import compare, evaluate, explain, predict
    from imgrec.reports.result import Result

_MODULES = {
    "Ensemble": "predictions.ensembles",
    "Explanation": "explanation.explanation",
    "ImgrecError": "errors",
    "Result": "reports.result",
}


def __getattr__(name: str) -> Any:
    """Return a public name from its module, which is imported now (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"imgrec.{_MODULES.get(name, 'python_api')}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
