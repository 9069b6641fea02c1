"""How to repeat a prediction elsewhere: the `imgrec` command, and a few lines of plain Keras for one model.

The lines crop, resize and normalize as `preprocessing.frame` and `normalize` do, with the names that Keras has for it.
Tests run them and compare.
"""

import shlex
from collections.abc import Sequence

from imgrec.images.preprocessing import PREPROCESS
from imgrec.images.working_size import WORKING_SIDE_PX
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.labels import LabelSpace

# The module of `keras.applications` that has `preprocess_input` for an architecture; the first fitting beginning.
MODULES = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet50V2": "resnet_v2",
    "ResNet101V2": "resnet_v2",
    "ResNet152V2": "resnet_v2",
    "ResNet": "resnet",
    "InceptionResNetV2": "inception_resnet_v2",
    "InceptionV3": "inception_v3",
    "Xception": "xception",
    "DenseNet": "densenet",
    "NASNet": "nasnet",
    "MobileNetV3": "mobilenet_v3",
    "MobileNetV2": "mobilenet_v2",
    "MobileNet": "mobilenet",
    "EfficientNetV2": "efficientnet_v2",
    "EfficientNetB": "efficientnet",
    "ConvNeXt": "convnext",
}

# Of the five likeliest at most so many labels are written into a script.
LISTED_LABELS = 20

_SQUASH = "image = image.resize(({width}, {height}), Image.Resampling.BICUBIC)"
_CROP = """\
scale = max({covered_width} / image.width, {covered_height} / image.height)
covering = max({covered_width}, round(image.width * scale)), max({covered_height}, round(image.height * scale))
image = image.resize(covering, Image.Resampling.BICUBIC)
left, top = (image.width - {width}) // 2, (image.height - {height}) // 2
image = image.crop((left, top, left + {width}, top + {height}))"""

_SCRIPT = """\
import keras
import numpy as np
from PIL import Image, ImageOps

image = Image.open({image})
image.draft(None, ({working}, {working}))  # a large JPEG is read at a fraction of its size
image = ImageOps.exif_transpose(image).convert("RGB")
image = image.reduce(max(1, min(image.size) // {working}))
{framing}
batch = np.asarray(image, np.float32)[np.newaxis]
{network}"""

_PUBLISHED = """
model = keras.applications.{architecture}({arguments})
tools = keras.applications.{module}
probabilities = model.predict(tools.preprocess_input(batch), verbose=0)
for synset, label, probability in tools.decode_predictions(probabilities)[0]:
    print(f"{{probability:.6f}}  {{synset}}  {{label}}")
"""

_OWN = """
model = keras.saving.load_model({file})
labels = {labels}
probabilities = model.predict({normalized}, verbose=0)[0]
for index in np.argsort(-probabilities, kind="stable")[:5]:
    print(f"{{probabilities[index]:.6f}}  {{labels[index]}}")
"""


def command(image: str, arguments: Sequence[str]) -> str:
    """Return the command that classifies `image`, a path or an address, for a POSIX shell; `arguments` are options.

    >>> command("my cat.jpg", ["--models", "mobilenet"])
    "imgrec predict 'my cat.jpg' --models mobilenet"
    """
    return shlex.join(["imgrec", "predict", f"./{image}" if image.startswith("-") else image, *arguments])


def keras_script(spec: ModelSpec, image: str, framing: str = "crop") -> str | None:
    """Return lines of Keras that print the five likeliest classes of the file `image`; None where there are none.

    They need Keras with a backend, numpy and Pillow. `framing` is a key of `preprocessing.FRAMINGS`.
    """
    network = _network(spec)
    if network is None:
        return None
    height, width = spec.input_size
    covered_height, covered_width = (round(side / spec.crop_fraction) for side in spec.input_size)
    shape = {"width": width, "height": height, "covered_width": covered_width, "covered_height": covered_height}
    return _SCRIPT.format(
        image=repr(image),
        working=WORKING_SIDE_PX,
        framing=(_CROP if framing == "crop" else _SQUASH).format(**shape),
        network=network,
    )


def why_no_script(spec: ModelSpec) -> str:
    """Return the reason that `keras_script` is None for `spec`, and what to do instead."""
    if spec.weights.filename.endswith(".zip"):
        return (
            f"{spec.title} was added from a file, and Keras cannot read what imgrec keeps of it. "
            f"`imgrec export {spec.name}` writes the network for OpenVINO with a script that runs it."
        )
    return (
        f"`keras.applications` has no {spec.title}: imgrec builds it, from weights that PyTorch saved. "
        f"`imgrec export {spec.name} --format keras` writes it as a Keras file with a script that runs it."
    )


def formula(mode: str, value: str) -> str:
    """Return the formula that normalizes a `value` from 0 to 255, as Python code and as text.

    >>> formula("tf", "x")
    '(x - 127.5) / 127.5'
    >>> formula("unit", "x")
    'x / 255'
    """
    rule = PREPROCESS[mode]
    moved, scaled = any(rule.mean), set(rule.scale) != {1.0}
    shifted = f"{value} - {_words(rule.mean)}" if moved else value
    if not scaled:
        return shifted
    return f"{f'({shifted})' if moved else shifted} / {_words(rule.scale)}"


def _network(spec: ModelSpec) -> str | None:
    """Return the lines from `batch`, float32 (1, H, W, 3) in RGB from 0 to 255, to the printed classes."""
    module = next((module for start, module in MODULES.items() if spec.architecture.startswith(start)), None)
    if spec.weights.url and module is not None:
        arguments = {"weights": "imagenet", "input_shape": (*spec.input_size, 3)} | dict(spec.arguments)
        written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return _PUBLISHED.format(architecture=spec.architecture, arguments=written, module=module)
    if not spec.weights.filename.endswith(".keras"):
        return None
    folder = "assets/models/" if spec.bundled else ""
    return _OWN.format(
        file=repr(folder + spec.weights.filename.rpartition("/")[2]),
        labels=_labels(spec.get_label_space()),
        normalized=formula(
            spec.preprocess, "batch[..., ::-1]" if PREPROCESS[spec.preprocess].reverse_channels else "batch"
        ),
    )


def _labels(space: LabelSpace) -> str:
    if len(space.labels) <= LISTED_LABELS:
        return repr(list(space.labels))
    return 'open("labels.txt", encoding="utf-8").read().splitlines()  # as `imgrec export` writes it'


def _words(values: tuple[float, float, float]) -> str:
    """Return one number where all three are equal, else a tuple of them."""
    written = [f"{value:.9g}" for value in values]
    return written[0] if len(set(written)) == 1 else f"({', '.join(written)})"
