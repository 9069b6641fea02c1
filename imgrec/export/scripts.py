"""The texts of an export: a script that repeats a prediction without imgrec, the labels, and a README.

The script turns, crops and resizes an image as `preprocessing.frame` does, normalizes it as `preprocessing.PREPROCESS`
says, and runs the network with the runtime of one format. Tests run it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from imgrec import __version__
from imgrec.images.preprocessing import PREPROCESS
from imgrec.images.working_size import WORKING_SIDE_PX
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.labels import LabelSpace
from imgrec.reports.reproduce import formula


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of a network, and its runtime.

    The first of `files` is the network; `packages` are installed beside numpy and pillow; `statement` imports the
    runtime; `lines` compute `probabilities` (C,) from `batch` (1, H, W, 3) and `folder`. A `folded` network takes
    uint8 and normalizes by itself.
    """

    title: str
    about: str
    files: tuple[str, ...]
    packages: str
    statement: str
    lines: tuple[str, ...]
    folded: bool = False


FORMATS = {
    "openvino": Format(
        title="OpenVINO",
        about="fast on CPUs; the format that imgrec itself runs",
        files=("model.xml", "model.bin"),
        packages="openvino",
        statement="import openvino",
        lines=(
            # Otherwise bfloat16 where the processor has it: three digits instead of seven.
            'exact = {"INFERENCE_PRECISION_HINT": "f32"}',
            'probabilities = openvino.Core().compile_model(folder / "model.xml", "CPU", exact)(batch)[0][0]',
        ),
        folded=True,
    ),
    "keras": Format(
        title="Keras",
        about="to continue training or inspect the network",
        files=("model.keras",),
        packages="keras tensorflow",
        statement="import keras",
        lines=('probabilities = keras.saving.load_model(folder / "model.keras").predict_on_batch(batch)[0]',),
    ),
    "onnx": Format(
        title="ONNX",
        about="for ONNX Runtime and many other runtimes",
        files=("model.onnx",),
        packages="onnxruntime",
        statement="import onnxruntime",
        lines=(
            'session = onnxruntime.InferenceSession(folder / "model.onnx")',
            "probabilities = session.run(None, {session.get_inputs()[0].name: batch})[0][0]",
        ),
    ),
    "litert": Format(
        title="LiteRT",
        about="for phones and embedded devices; formerly TensorFlow Lite",
        files=("model.tflite",),
        packages="ai-edge-litert",
        statement="from ai_edge_litert.interpreter import Interpreter",
        lines=(
            'run = Interpreter(str(folder / "model.tflite")).get_signature_runner()',
            "(answer,) = run(**dict.fromkeys(run.get_input_details(), batch)).values()",
            "probabilities = answer[0]",
        ),
    ),
}

_SCRIPT = '''\
"""What {name} sees in an image: python {file} IMAGE   (pip install numpy pillow {packages})"""

import sys
from pathlib import Path

{imports}

folder = Path(__file__).parent
image = Image.open(sys.argv[1])
image.draft(None, ({working}, {working}))  # a large JPEG is read at a fraction of its size
image = ImageOps.exif_transpose(image).convert("RGB")
image = image.reduce(max(1, min(image.size) // {working}))

# The image is resized until it covers {covered_width} x {covered_height} px, and the middle {width} x {height} are cut out, in one go.
source, size, covered = np.array([image.size, ({width}, {height}), ({covered_width}, {covered_height})])
resized = np.maximum(np.round(source * max(covered / source)), covered)
corner = (resized - size) // 2
box = (*(corner * source / resized), *np.minimum((corner + size) * source / resized, source))
pixels = np.asarray(image.resize(({width}, {height}), Image.Resampling.BICUBIC, box))

batch = {batch}
{lines}
labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
for index in np.argsort(-probabilities)[:5]:
    print(f"{{probabilities[index]:.6f}}  {{labels[index]}}")
'''  # noqa: E501 (a comment that is short once it is filled in)


def file_name(format_name: str) -> str:
    """Return the file name of the script of a format."""
    return f"predict_{format_name}.py"


def script(spec: ModelSpec, format_name: str) -> str:
    """Return the script that repeats a prediction of `spec` with the network in this format."""
    kind = FORMATS[format_name]
    height, width = spec.input_size
    covered_height, covered_width = (round(side / spec.crop_fraction) for side in spec.input_size)
    imports = sorted(
        ["import numpy as np", "from PIL import Image, ImageOps", kind.statement],
        key=lambda line: (line.startswith("from"), line.split()[1].lower()),
    )
    return _SCRIPT.format(
        name=spec.name,
        file=file_name(format_name),
        packages=kind.packages,
        imports="\n".join(imports),
        working=WORKING_SIDE_PX,
        width=width,
        height=height,
        covered_width=covered_width,
        covered_height=covered_height,
        batch="pixels[np.newaxis]" if kind.folded else _normalized(spec.preprocess),
        lines="\n".join(kind.lines),
    )


def labels(space: LabelSpace) -> str:
    """Return one class a line, in the order of the outputs; labels that occur twice with their WordNet ids."""
    count = Counter(space.labels)
    lines = [
        f"{label} ({synset})" if count[label] > 1 and synset else label
        for label, synset in zip(space.labels, space.synsets, strict=True)
    ]
    # A name with a line break in it must not become two classes.
    return "".join(" ".join(line.split()) + "\n" for line in lines)


def readme(spec: ModelSpec, space: LabelSpace, formats: Sequence[str]) -> str:
    """Return the text of README.txt."""
    height, width = spec.input_size
    order = "BGR" if PREPROCESS[spec.preprocess].reverse_channels else "RGB"
    commands = "\n".join(
        f"    pip install numpy pillow {FORMATS[name].packages}\n    python {file_name(name)} IMAGE\n"
        for name in formats
    )
    files = "\n".join(
        f"  {', '.join(FORMATS[name].files):<26}{FORMATS[name].title}: {FORMATS[name].about}" for name in formats
    )
    written = f"float32 {order}, {formula(spec.preprocess, 'value')}"
    inputs = "\n".join(
        f"  {FORMATS[name].files[0]:<26}{'uint8 RGB, 0 to 255' if FORMATS[name].folded else written}"
        for name in formats
    )
    known = ", and what it loses in 8-bit integers" if spec.is_compact else ""
    return f"""\
{spec.title}

Says which of {len(space.labels):,} classes an image shows:

{commands}
prints the five likeliest with their probabilities.

Files
{files}
  labels.txt                one class a line, in the order of the network's outputs
  card.json                 what is known of the network{known}

Input: 1 x {height} x {width} x 3
{inputs}
Output: 1 x {len(space.labels)} probabilities

The scripts give what imgrec gives for an opaque 8-bit RGB image in sRGB; imgrec also puts transparent images on
white and converts other color profiles.

License of the weights: {spec.license}. Exported by imgrec {__version__}.
"""


def _normalized(mode: str) -> str:
    """Return the expression for a float32 batch of `pixels`, as `preprocessing.normalize` computes it."""
    reversed_or_not = ", ..., ::-1" if PREPROCESS[mode].reverse_channels else ""
    pixels = f"pixels[np.newaxis{reversed_or_not}]"
    value = formula(mode, pixels)
    return f"{value if value == pixels else f'({value})'}.astype(np.float32)"
