"""The Benchmarks page: the choice of dataset, models and view. Only the chosen view is computed."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import aligned_results
from imgrec.evaluation.aligned_results import READINGS, AlignedResults
from imgrec.ui import query_params, settings_bar
from imgrec.ui.benchmarks import (
    confusion,
    curves,
    ensembles,
    leaderboard,
    measurements,
    pairs,
    provenance,
    robustness,
    unsure,
)
from imgrec.ui.benchmarks.measurements import title
from imgrec.ui.markdown import plain
from imgrec.ui.widget_keys import key_of

TITLES = {
    "cifar10": "CIFAR-10, test set",
    "imagenet_val_a": "ImageNet, 668 validation images",
    "imagenet_sample_even": "ImageNet, 500 training images",
    "catsdogs": "Cats and dogs, test set",
    "catsdogs_first_100": "Cats and dogs, first 100 of each",
}

# Names of datasets in older links.
FORMER_TITLES = {
    "ImageNet, 668 validation images": "imagenet_val_a",
    "ImageNet, 500 training images": "imagenet_sample_even",
}

READING_TITLES = {"strict": "Wrong", "closed": "Ignored"}

# In the session: the dataset that fitted the chosen models when the page was last shown.
_SUITED = "bench_suited"


@dataclass(frozen=True, slots=True)
class View:
    """A view of at least so many models. With `has_chart` it is drawn as charts or as tables.

    `has_chart` tells whether a chart of the results is of use.
    """

    draw: Callable[..., None]
    has_chart: Callable[[AlignedResults], bool] | None = None
    least_models: int = 1


def _always(results: AlignedResults) -> bool:
    return True


VIEWS: dict[str, View] = {
    "Leaderboard": View(leaderboard.leaderboard),
    "Speed": View(pairs.speed, _always),
    "Pairs": View(pairs.pairs, _always, least_models=2),
    "Confusion": View(confusion.confusion, confusion.has_matrix),
    "A against B": View(confusion.pair, confusion.has_matrix, least_models=2),
    "Classes": View(curves.classes, curves.has_bars),
    "Curves": View(curves.over_thresholds, _always),
    "Unsure": View(unsure.unsure, _always),
    "Errors": View(confusion.errors),
    "Robustness": View(robustness.robustness, _always),
    "Ensembles": View(ensembles.builder, least_models=2),
    "Published": View(provenance.published),
    "Provenance": View(provenance.provenance),
}


def chooser() -> AlignedResults | None:
    """Show the choosers of dataset and models, and return the results; None, with a sentence, if there are none."""
    try:
        names, suited = measurements.dataset_names(), measurements.suited()
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None
    if not names:
        st.info(
            "No model has been evaluated yet. Run `imgrec evaluate --data cifar10 --out assets/benchmarks`.",
            icon=":material/leaderboard:",
        )
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        _follow(suited)
        usual = suited if suited in names else names[0]
        name = st.selectbox(
            "Dataset",
            names,
            index=names.index(usual),
            key=query_params.named("bench_set", "dataset", names, usual, title=_title),
            format_func=_title,
            width=320,
        )
        try:
            results = measurements.load(name if name in names else names[0])
            if results.has_rest:
                results = measurements.load(results.name, _reading())
        except ImgrecError as error:
            st.error(plain(str(error)), icon=":material/broken_image:")
            return None
        models = sorted(results.models)
        chosen = st.multiselect(
            "Models",
            models,
            key=key_of("bench_models", results.name),
            format_func=lambda model: title(results, model),
            placeholder=f"All {len(models)}",
        )
        _notes(results)
    words = [
        f"**{results.images:,} images**, {results.about['classes']} classes.",
        *map(plain, results.about["flaws"][:1]),
    ]
    if results.unread:
        words.append(f"Metrics are of the images that all models could read; {results.unread:,} are left out.")
    st.caption(" ".join(words))
    for problem in results.problems:
        st.warning(plain(problem), icon=":material/broken_image:")
    return aligned_results.narrowed(results, chosen) if chosen else results


def show(results: AlignedResults) -> None:
    """Show the chosen view of `results`."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.pills(
            "View",
            list(VIEWS),
            default="Leaderboard",
            required=True,
            key=query_params.named("bench_view", "view", list(VIEWS), "Leaderboard", name=query_params.slug),
            label_visibility="collapsed",
        )
        view = VIEWS.get(name or "", VIEWS["Leaderboard"])
        table = view.has_chart is not None and not view.has_chart(results)
        if view.has_chart is not None and not table:
            st.space("stretch")
            table = settings_bar.view()
    with st.container(key="bench_panel"):
        if len(results.models) < view.least_models:
            st.info("Choose two or more models to compare.", icon=":material/compare_arrows:")
            return
        try:
            view.draw(results, *([] if view.has_chart is None else [table]))
        except ImgrecError as error:
            # A file of stored answers may be gone or changed since it was read.
            st.error(plain(str(error)), icon=":material/broken_image:")


def _title(dataset: str) -> str:
    return TITLES.get(dataset, str(dataset))


def _follow(suited: str | None) -> None:
    """Choose the dataset that fits the models chosen meanwhile, unless another was chosen here or in the address."""
    link = st.query_params.get("bench_set", "")
    if link in FORMER_TITLES:
        st.query_params["bench_set"] = FORMER_TITLES[link]
    before = st.session_state.get(_SUITED)
    if suited != before and st.session_state.get("bench_set") == before and "bench_set" not in st.query_params:
        st.session_state.pop("bench_set", None)
    st.session_state[_SUITED] = suited


def _reading() -> str:
    """Show the choice of how predictions outside the dataset's classes count; return a key of `READINGS`."""
    return query_params.segmented(
        "Answers outside these classes",
        "reading",
        list(READINGS),
        "strict",
        "bench_reading",
        title=lambda key: READING_TITLES[key],
        format_func=lambda reading: READING_TITLES.get(reading, str(reading)),
        help="\n\n".join(READINGS.values()),
    )


def _notes(results: AlignedResults) -> None:
    """Show the flaws of the dataset, and how its predictions are counted."""
    about = results.about
    remarks = [
        f"**{results.images:,} images**, {about['classes']} classes. {plain(about['source'])}.",
        *map(plain, about["flaws"]),
    ]
    if results.has_rest:
        remarks.append(f"The classes of ImageNet models are grouped into these by WordNet. {READINGS[results.reading]}")
    if results.has_rest and about["unreachable"]:
        remarks.append(
            f"ImageNet has no class for {plain(', '.join(about['unreachable']))}: its models cannot predict it."
        )
    if any(results.rows[model].get("note") for model in results.models):
        remarks.append("Some models have weights that are not their publisher's own: see Provenance.")
    with st.popover("About this dataset", icon=":material/info:"):
        st.markdown("\n".join(f"- {remark}" for remark in remarks))
