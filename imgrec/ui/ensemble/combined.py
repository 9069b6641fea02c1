"""The combined prediction of the chosen models: contributions, leave-one-out, uncertainty."""

import streamlit as st

from imgrec.charts import top_k
from imgrec.formatting import percent
from imgrec.predictions import ensembles
from imgrec.predictions.ensembles import RULES, Ensemble
from imgrec.predictions.prediction import Failure
from imgrec.reports import calibration_effect, sentences
from imgrec.reports.result import Result
from imgrec.ui import history, results
from imgrec.ui.compare import downloads, result_cards
from imgrec.ui.image_input import Image
from imgrec.ui.models import download_progress
from imgrec.ui.settings_bar import Choice
from imgrec.ui.widget_keys import key_of

PLACEHOLDER_PX = 360


def explain(image: Image, choice: Choice) -> None:
    """Show the ensemble of each label space, what each member adds to it, and its uncertainty; then files."""
    if not choice.specs:
        download_progress.nothing_here()
        return
    found = results.classify(image, choice)
    download_progress.cards(found.missing, choice.swatches)
    if not found.answering:
        return
    fill = result_cards.reserve(bool(found.computing), lambda: st.skeleton(height=PLACEHOLDER_PX), gap="small")
    result = found.finish()
    with fill():
        _show_result(result, choice)
    history.record(image, choice, result, results.by_label_space(result, choice))
    stored = [spec for spec in found.answering if spec not in found.ready]
    if stored:
        st.caption(f"{result_cards.PRECOMPUTED}: {', '.join(spec.title for spec in stored)}.")
        download_progress.watch(stored)
    if found.ready:
        downloads.buttons(image, found.ready, choice)


def _show_result(result: Result, choice: Choice) -> None:
    for failure in result.failures:
        st.error(str(failure.error), title=sentences.title_of(failure), icon=":material/error:")
    groups = results.by_label_space(result, choice)
    if len(groups) > 1:
        st.caption(f":material/call_split: {result_cards.APART}")
    for space, (members, ensemble) in groups.items():
        if len(groups) > 1:
            st.markdown(f"### {sentences.space_title(members[0].label_space)}", anchors=False)
        if isinstance(ensemble, Failure):
            st.error(str(ensemble.error), icon=":material/join_inner:")
        elif ensemble is not None:
            _show(ensemble, choice, space)


def _show(ensemble: Ensemble, choice: Choice, space: str) -> None:
    result_cards.show_headline(ensemble.members, ensemble)
    if len(ensemble.members) == 1:
        _show_alone(ensemble, choice)
        return
    first = ensemble.prediction.first
    prediction, parts = st.columns([3, 2], gap="small")
    with prediction.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"**{RULES[ensemble.rule].title}** :small[:gray[of {len(ensemble.members)}]]")
        result_cards.show_ensemble(ensemble, choice, key=key_of("ensemble", space))
    with parts.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"**What each adds to {sentences.label_of(ensemble.prediction.label_space, first.index)}**")
        words = top_k.describe_contributions(ensemble, first.index)
        if choice.table:
            result_cards.table(top_k.contribution_rows(ensemble, first.index), words)
        else:
            spec = top_k.contribution_bars(ensemble, first.index, among=choice.swatches)
            result_cards.chart(spec, words, key=key_of("parts", space))
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Without one of them**")
        for without in ensembles.leave_one_out(ensemble):
            icon = ":material/swap_horiz:" if without.is_decisive else ":material/check:"
            st.markdown(f"{icon} {sentences.describe_without(without)}")
    _calibration(ensemble, choice)
    _uncertainty(ensemble.uncertainty)


def _calibration(ensemble: Ensemble, choice: Choice) -> None:
    """Show what calibrated members change: a sentence, and each member before and after."""
    if ensemble.before is None:
        return
    words = calibration_effect.describe(ensemble)
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Calibrated members**", help=calibration_effect.MEANING)
        st.markdown(words)
        result_cards.table(calibration_effect.rows(ensemble), words)
        if origin := calibration_effect.describe_origin(ensemble, choice.temperatures or {}):
            st.caption(origin)


def _show_alone(ensemble: Ensemble, choice: Choice) -> None:
    """Show the only chosen model with its classes: there is nothing to combine."""
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{sentences.title_of(ensemble.members[0])}** :small[:gray[one model: nothing to combine]]")
        result_cards.show(ensemble.members[0], choice)
        result_cards.show_calibration(ensemble, choice)
    found = ensemble.uncertainty
    st.caption(f"Entropy {found.entropy_bits:.2f} bits ({found.level}).", help=ensembles.ENTROPY_SENTENCE)


def _uncertainty(found: ensembles.Uncertainty) -> None:
    information = found.mutual_information_bits, found.mutual_information_level
    figures = {
        ensembles.ENTROPY_SENTENCE: (f"{found.entropy_bits:.2f} bits", found.level),
        ensembles.MUTUAL_INFORMATION_SENTENCE: (f"{information[0]:.2f} bits", information[1]),
        ensembles.DISAGREEMENT_SENTENCE: (percent(found.disagreement, 0), found.disagreement_level),
    }
    st.markdown("**Uncertainty**")
    with st.grid(3, min_column_width=220):
        for sentence, (value, level) in figures.items():
            name, _, meaning = sentence.partition(": ")
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.metric(name, value, level, delta_color="off", delta_arrow="off")
                st.caption(meaning.capitalize())
