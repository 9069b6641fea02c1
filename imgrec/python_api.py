"""The functions of `import imgrec`: what the pages, the command line and the HTTP API do, for programs in Python.

Models and options have the same names and sentences everywhere, and results the same types. Loaded networks stay in
one pool for the whole process, as in the server; `IMGREC_MEMORY_MIB` is its budget. Settings are read from the
environment at each call.
"""

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgrec.errors import InputError
from imgrec.evaluation.options import parse_options
from imgrec.explanation import explanation
from imgrec.explanation.attribution import find_method
from imgrec.explanation.explanation import Explanation
from imgrec.images.opening import Source, open_image
from imgrec.inference import classify, request
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.reports.result import Result
from imgrec.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

# The names of models, or one name.
Models = str | Sequence[str] | None
Weights = Mapping[str, float] | None
Classes = str | Mapping[str, Sequence[str]] | None


def predict(
    image: Source,
    models: Models = None,
    *,
    rule: str | None = None,
    weights: Weights = None,
    calibrated: bool = False,
    framing: str = "crop",
    level: str | None = None,
    classes: Classes = None,
) -> Result:
    """Classify one image with several models, and combine their predictions.

    Args:
        image: A path, an https address, or the bytes of a file.
        models: Names as `imgrec models` lists them; by default up to three that are on this machine.
        rule: Of the ensemble: mean, geometric_mean, weighted_mean, majority_vote or rank_vote.
        weights: Model → weight in the ensemble, 1 where absent.
        calibrated: Whether the members of the ensemble get their measured temperatures.
        framing: "crop", as published accuracies are measured, or "squash".
        level: "class", "kind" (dog, bottle) or "category" (animal, container).
        classes: Your own classes: name → words of WordNet, or such as "cat;dog".

    Returns:
        One outcome for each model in the order of the catalog, a prediction or a failure, and the ensemble.
        `print(result)` shows a table; a prediction has all `probabilities`, float32 (C,), and `top_k(k)`.

    Raises:
        ImgrecError: A name, an option or the image cannot be used, or no model answered.

    Example:
        >>> import imgrec
        >>> result = imgrec.predict("cat.jpg", models=["cifar_vgg", "cifar_resnet"])
        >>> [prediction.first.label for prediction in result.predictions]
        ['cat', 'cat']
        >>> result.ensemble.prediction.top_k(1)[0].label
        'cat'
    """
    settings = Settings.from_env()
    options = _options(models, settings, rule, weights, calibrated, framing, level, classes)
    name = "image" if isinstance(image, bytes) else str(image)
    return request.classify_decoded(open_image(image, settings), name, options, _pool(settings))


def compare(
    images: str | Path | Sequence[str | Path],
    models: Models = None,
    *,
    rule: str | None = None,
    weights: Weights = None,
    calibrated: bool = False,
    framing: str = "crop",
    level: str | None = None,
    classes: Classes = None,
) -> "pd.DataFrame":
    """Classify many images with several models: one row for each image.

    Args:
        images: Images, folders, zip or tar archives.
        models: As of `predict`, and so are the other options.
        rule: Of the ensemble.
        weights: Model → weight.
        calibrated: Whether to apply measured temperatures.
        framing: "crop" or "squash".
        level: Of generality.
        classes: Your own classes.

    Returns:
        The columns of `imgrec sheet --format parquet`: the answer of the ensemble with its probability, how many models
        agree, uncertainty in bits, the true class where folders are named after classes, `error` of an image that
        cannot be used, then `label_MODEL` and `probability_MODEL` of each model. `attrs["remarks"]` has sentences on
        what was left out.

    Raises:
        ImgrecError: A name or option cannot be used, there are no images, or no model answered.

    Example:
        >>> import imgrec
        >>> table = imgrec.compare("my_images", models=["cifar_vgg", "cifar_resnet"])
        >>> table[["image", "label", "agreeing", "right"]].values.tolist()
        [['cat/cat.jpg', 'cat', 2, True], ['horse/horse.jpg', 'horse', 2, True]]
    """
    import pandas as pd

    from imgrec.data.image_paths import find_images
    from imgrec.evaluation import sheet_files
    from imgrec.evaluation.contact_sheet import ContactSheet

    settings = Settings.from_env()
    options = _options(models, settings, rule, weights, calibrated, framing, level, classes)
    paths = [images] if isinstance(images, str | Path) else list(images)
    sheet = ContactSheet(find_images(paths, most=sys.maxsize), options, _pool(settings), settings)
    sheet.start()
    sheet.wait()
    if sheet.error:
        raise InputError(sheet.error)
    names = [spec.name for spec in options.specs]
    table = pd.DataFrame([sheet_files.flat(row, names) for row in sheet.rows])
    table.attrs["remarks"] = sheet.remarks
    return table


def evaluate(
    data: str | Path,
    models: Models = None,
    *,
    out: str | Path | None = None,
    framing: str = "crop",
    per_class: int | None = None,
    training: str | None = None,
    classes: Classes = None,
    note: str = "",
) -> "pd.DataFrame":
    """Measure models on labeled images: one row of figures for each model. A stopped run goes on where it was.

    Args:
        data: "cifar10", or a folder, zip, tar or .npz with labeled images.
        models: Names; by default all on this machine that fit the classes.
        out: A folder for the figures and all predictions; else the one that the Benchmarks page shows, too.
        framing: "crop" or "squash".
        per_class: Only the first so many images of each class.
        training: The dataset that the models were trained on: images that stand in both are counted.
        classes: What the dataset's classes mean: name → words of WordNet.
        note: What a reader of the figures should know about the weights.

    Returns:
        The rows of `summary.json`: `top_1` with its interval, `log_loss`, `brier`, times in ms, provenance.
        `attrs["flaws"]` has sentences on the dataset.

    Raises:
        ImgrecError: The data cannot be read, the classes are not those of a model, or a model cannot be had.

    Example:
        >>> import imgrec
        >>> table = imgrec.evaluate("my_images", models="cifar_vgg", out="figures")
        >>> table[["model", "images", "top_1"]].values.tolist()
        [['cifar_vgg', 2, 1.0]]
    """
    import pandas as pd

    from imgrec.data.evaluation_split import open_evaluation_split
    from imgrec.evaluation import stored_predictions
    from imgrec.evaluation.evaluate import evaluate as measure
    from imgrec.evaluation.evaluate import get_fitting_specs
    from imgrec.files import typed_path
    from imgrec.models.cards import load_catalog
    from imgrec.predictions.class_groups import ClassGroups

    settings = Settings.from_env()
    folder = typed_path(out) if out else stored_predictions.own_folder(settings)
    groups = ClassGroups.parse(_text(classes)) if classes else None
    found = open_evaluation_split(str(data), settings, per_class=per_class, training=training, groups=groups)
    catalog = load_catalog(settings)
    specs = request.parse_models(_names(models), catalog) or get_fitting_specs(found, catalog, settings)
    table = pd.DataFrame([measure(spec, found, settings, folder, framing=framing, note=note) for spec in specs])
    table.attrs["flaws"] = list(found.flaws)
    return table


def explain(
    image: Source,
    models: Models = None,
    *,
    target: str = "",
    method: str = "cam",
    rule: str | None = None,
    weights: Weights = None,
    framing: str = "crop",
) -> Explanation:
    """Compute where each model looked: a map of one class for each model, and those of their ensembles.

    Args:
        image: A path, an https address, or the bytes of a file.
        models: As of `predict`.
        target: A class, or what is above classes (dog); by default the ensemble's first.
        method: "cam" (class activation), "occlusion" or "rise".
        rule: Of the ensemble.
        weights: Model → weight.
        framing: "crop" or "squash".

    Returns:
        `maps`, of which each has `values`, float32 (h, w), over its `box` of the image in px, and `failures`.

    Raises:
        ImgrecError: A name, an option or the image cannot be used, or no model has a map.

    Example:
        >>> import imgrec
        >>> (found,) = imgrec.explain("cat.jpg", models="cifar_vgg").maps
        >>> found.target.label, found.values.shape
        ('cat', (3, 3))
    """
    find_method(method)
    settings = Settings.from_env()
    options = _options(models, settings, rule, weights, False, framing)
    return explanation.explain(open_image(image, settings), options, _pool(settings), word=target, method=method)


@functools.cache
def _pool(settings: Settings) -> EnginePool:
    """Return the pool of this process; other settings have another one."""
    return classify.open_pool(settings)


def _options(
    models: Models,
    settings: Settings,
    rule: str | None,
    weights: Weights,
    calibrated: bool,
    framing: str,
    level: str | None = None,
    classes: Classes = None,
) -> Options:
    """Return the options as `parse_options` reads them from words."""
    options = parse_options(
        _names(models),
        settings,
        rule=rule,
        weights=",".join(f"{name}={weight}" for name, weight in (weights or {}).items()),
        calibrated=calibrated,
        framing=framing,
        level=level,
        classes=_text(classes),
    )
    request.check_budget(options.specs, _pool(settings))
    return options


def _names(models: Models) -> str:
    return models if isinstance(models, str) else ",".join(models or ())


def _text(classes: Classes) -> str:
    return classes if isinstance(classes, str) else json.dumps(classes) if classes else ""
