"""Three published mistakes in preprocessing, told with their own settings and run on images of the visitor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from imgrec.charts.theme import Rows
from imgrec.errors import ImgrecError
from imgrec.explanation.preprocessing_sentences import explain
from imgrec.explanation.preprocessing_trials import correct_for
from imgrec.formatting import change, percent
from imgrec.images import gallery
from imgrec.models.catalog import ModelSpec
from imgrec.predictions import ensembles
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.sentences import label_of
from imgrec.settings import APP
from imgrec.ui import caches
from imgrec.ui.compare import result_cards
from imgrec.ui.image_input import Image, tray
from imgrec.ui.lab import trials
from imgrec.ui.lab.trials import Subject
from imgrec.ui.lab.views import MEANING, show_input

# The networks of the first system, in the order of its imports, and the convention of the last one.
FIVE = ("vgg16", "vgg19", "resnet50", "inception_v3", "densenet201")
LAST_MODE = "torch"

ABOUT = APP / "pages" / "about.py"

VIEW_PX = 120

# More rows than samples make the page long.
MAX_IMAGES = 12


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Predictions of one model for one image: under correct preprocessing, and under that of a story."""

    right: Prediction
    wrong: Prediction

    @property
    def is_kept(self) -> bool:
        """Whether the first class is the same."""
        return self.right.first.index == self.wrong.first.index


def show(image: Image, subject: Subject) -> None:
    """Show the three stories; each runs its settings on models that are ready."""
    images = _images()
    with st.container(border=True, gap="small"):
        _same_name(image, subject)
    with st.container(border=True, gap="small"):
        _not_scaled(images, subject)
    with st.container(border=True, gap="small"):
        _one_sided(images, subject)


def _same_name(image: Image, subject: Subject) -> None:
    """Tell of five functions of one name, and give all models the preprocessing of the last one."""
    st.markdown("#### Five functions under one name", anchors=False)
    st.markdown(
        "A web app compared VGG16, VGG19, ResNet50, InceptionV3 and DenseNet201, and imported `preprocess_input` of "
        "each. The name is the same in all five modules, so the last one, DenseNet's, prepared the images for all."
    )
    st.code(
        "from keras.applications.vgg16 import preprocess_input\n"
        "…\n"
        "from keras.applications.densenet import preprocess_input  # from here on, for every network",
        # Highlighted, the words have too little contrast to the page; in one line, a phone would have to scroll.
        language=None,
        wrap_lines=True,
    )
    known = [caches.catalog().get_spec(name) for name in FIVE]
    with st.grid(len(known), min_column_width=VIEW_PX):
        for spec in known:
            with st.container(gap="xxsmall"):
                show_input(image, spec, replace(correct_for(spec), mode=LAST_MODE), VIEW_PX, f"with {LAST_MODE}")
                st.caption(f"{spec.title}, trained with {spec.preprocess}")
    st.markdown(explain(image.image, known[0], replace(correct_for(known[0]), mode=LAST_MODE)), help=MEANING)
    specs = list(dict.fromkeys([*(spec for spec in known if caches.is_ready(spec)), *subject.specs]))
    place = _reserve([image], specs, LAST_MODE, 160)
    pairs = {spec: _pair(image, spec, LAST_MODE) for spec in specs}
    rows: Rows = [
        {"Model": f"{spec.title} ({spec.preprocess})", "Correct": _first(pair.right)}
        | {f"With {LAST_MODE}": _first(pair.wrong), "Of the correct class is left": _left(pair)}
        for spec, pair in pairs.items()
        if pair is not None
    ]
    with place():
        if rows:
            kept = sum(pair.is_kept for pair in pairs.values() if pair is not None)
            keep = "keeps its" if kept == 1 else "keep their"
            sentence = f"{kept} of {len(rows)} {keep} first class. {_common(pairs)}"
            st.markdown(f"**{image.name}** · {sentence}")
            st.table(rows, border="horizontal", hide_index=True, alt=sentence)
    absent = [spec.title for spec in known if spec not in specs]
    if absent:
        st.caption(f"Of its five, not ready here: {', '.join(absent)}. The models chosen above stand in.")


def _not_scaled(images: Sequence[Image], subject: Subject) -> None:
    """Tell of a network that was trained on values from 0 to 1 and asked on 0 to 255."""
    st.markdown("#### Trained on 0 to 1, asked on 0 to 255", anchors=False)
    st.markdown(
        "A cats-and-dogs network was trained on images divided by 255, reached 99\u202f% there, and mixed results on "
        "other images. They were not divided."
    )
    spec = _trained_on_unit(subject)
    if spec is None:
        st.info("No model that was trained on 0 to 1 is ready here.", icon=":material/deployed_code:")
        return
    tried = replace(correct_for(spec), mode="identity")
    place = _reserve(images, [spec], tried.mode, 240)
    found = _pairs(images, spec, tried.mode)
    rows: Rows = [
        {"Image": image.name, "Divided by 255": _first(pair.right), "Not divided": _first(pair.wrong)}
        for image, pair in zip(images, found, strict=False)
    ]
    with place():
        if found:
            st.markdown(explain(images[0].image, spec, tried))
            kept = sum(pair.is_kept for pair in found)
            sure = sum(pair.wrong.first.probability > 0.99 for pair in found)
            classes = len({pair.wrong.first.index for pair in found})
            sentence = f"{spec.title}, not divided: {_told(len(found), classes, sure, kept)}"
            st.markdown(f"**{sentence}**")
            st.table(rows, border="horizontal", hide_index=True, alt=sentence)


def _one_sided(images: Sequence[Image], subject: Subject) -> None:
    """Tell of a validation without the normalization of the training."""
    st.markdown("#### Normalized for training, not for validation", anchors=False)
    st.markdown(
        "A pretrained network was fine-tuned on ten classes. Its training accuracy rose to 51.0\u202f%, its validation "
        "accuracy stayed between 9.3\u202f% and 10.5\u202f%, the level of guessing. The report called it overfitting. "
        "Only the training images were normalized."
    )
    # The others normalize by themselves: there is nothing to forget.
    specs = [spec for spec in subject.specs if spec.preprocess != "identity"]
    place = _reserve(images, specs, "identity", 140)
    rows: Rows = []
    for spec in specs:
        if found := _pairs(images, spec, "identity"):
            kept = sum(pair.is_kept for pair in found)
            mean = sum(float(pair.wrong.probabilities[pair.right.first.index]) for pair in found) / len(found)
            before = sum(pair.right.first.probability for pair in found) / len(found)
            rows.append(
                {
                    "Model": spec.title,
                    "Same first class": f"{kept} of {len(found)} images",
                    "Its mean probability": f"{percent(before)} → {percent(mean)}",
                    "Change in points": change(before, mean),
                }
            )
    with place():
        if rows:
            words = "; ".join(f"{row['Model']}: {row['Same first class']} keep their first class" for row in rows)
            st.markdown(f"The same images without the normalization. {words}.")
            st.table(rows, border="horizontal", hide_index=True, alt=words)
        else:
            st.info("The chosen models normalize by themselves: there is no line to forget.", icon=":material/info:")
    st.page_link(ABOUT, label="The same through a whole training, measured", icon=":material/show_chart:")


def _images() -> list[Image]:
    """Return the images of the session, or the samples where there is only one or none."""
    images = tray()
    if len(images) < 2:
        samples = [Image(one.title, caches.sample_image(one.file), one) for one in gallery.get_samples()]
        images = [*images, *(sample for sample in samples if sample.id not in {image.id for image in images})]
    return images[:MAX_IMAGES]


def _reserve(
    images: Sequence[Image], specs: Sequence[ModelSpec], mode: str, height_px: int
) -> Callable[[], DeltaGenerator]:
    """Reserve a place, with a skeleton where something is still to be computed."""
    pending = any(
        trials.count_missing(image, [spec], [correct, replace(correct, mode=mode)])
        for image in images
        for spec in specs
        for correct in [correct_for(spec)]
    )
    return result_cards.reserve(pending, lambda: st.skeleton(height=height_px))


def _pair(image: Image, spec: ModelSpec, mode: str) -> Pair | None:
    """Return the predictions with and without the mistake; None, with its sentence shown, where the model fails."""
    correct = correct_for(spec)
    outcomes = trials.under(image, spec, [correct, replace(correct, mode=mode)])
    right, wrong = outcomes[correct], outcomes[replace(correct, mode=mode)]
    if isinstance(right, Prediction) and isinstance(wrong, Prediction):
        return Pair(right, wrong)
    failure = right if isinstance(right, Failure) else wrong
    if isinstance(failure, Failure):
        st.error(str(failure.error), title=spec.title, icon=":material/error:")
    return None


def _pairs(images: Sequence[Image], spec: ModelSpec, mode: str) -> list[Pair]:
    """Return the pairs of all images, or of those before the model fails."""
    found: list[Pair] = []
    for image in images:
        pair = _pair(image, spec, mode)
        if pair is None:
            break  # the same sentence would follow for each image
        found.append(pair)
    return found


def _trained_on_unit(subject: Subject) -> ModelSpec | None:
    """Return the first model that expects values from 0 to 1: of the chosen ones, or of all that are ready."""
    everywhere = (spec for spec in caches.catalog().values() if caches.is_ready(spec))
    return next((spec for spec in (*subject.specs, *everywhere) if spec.preprocess == "unit"), None)


def _told(images: int, classes: int, sure: int, kept: int) -> str:
    r"""Return what became of the first classes without the division.

    >>> _told(1, 1, 0, 0)
    'its first class is another one.'
    >>> _told(2, 1, 0, 1)
    'one first class for all 2 images. None of them has more than 99\u202f%. 1 keeps its class.'
    """
    if images == 1:
        doubt = ", with more than 99\u202f%" if sure else ""
        return f"its first class is {'the same' if kept else 'another one'}{doubt}."
    head = (
        f"one first class for all {images} images" if classes == 1 else f"{classes} first classes for {images} images"
    )
    certain = {0: "None of them has", 1: "1 of them has"}.get(sure, f"{sure} of them have")
    same = {0: "None keeps its class.", 1: "1 keeps its class."}.get(kept, f"{kept} keep their class.")
    return f"{head}. {certain} more than 99\u202f%. {same}"


def _common(pairs: dict[ModelSpec, Pair | None]) -> str:
    """Return what becomes of the mean of the models, where it can be formed."""
    found = [pair for pair in pairs.values() if pair is not None]
    if len(found) < 2:
        return ""
    try:
        right = ensembles.combine([pair.right for pair in found]).prediction
        wrong = ensembles.combine([pair.wrong for pair in found]).prediction
    except ImgrecError:  # of different classes: no mean
        return ""
    return f"Their mean: {_first(right)}, and with {LAST_MODE} for all {_first(wrong)}."


def _first(prediction: Prediction) -> str:
    first = prediction.first
    return f"{label_of(prediction.label_space, first.index)} {percent(first.probability)}"


def _left(pair: Pair) -> str:
    """Return what the mistake leaves of the class that is first without it: "wing 23.9 % (−29.2 points)"."""
    first = pair.right.first
    now = float(pair.wrong.probabilities[first.index])
    label = label_of(pair.right.label_space, first.index)
    return f"{label} {percent(now)} ({change(first.probability, now)} points)"
