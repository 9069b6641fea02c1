"""What the models say together: their common answer, who tipped it, and how sure they are."""

import streamlit as st

from imgrec.charts import top_k
from imgrec.formatting import percent
from imgrec.predictions import ensembles
from imgrec.predictions.ensembles import RULES, Ensemble
from imgrec.reports import sentences
from imgrec.reports.result import Failure
from imgrec.ui import caches, predictions
from imgrec.ui.compare import result_cards
from imgrec.ui.image_input import Image
from imgrec.ui.models import download
from imgrec.ui.settings_bar import Choice


def explain(image: Image, choice: Choice) -> None:
    """The models as one: their answer, what each member adds to it, who tipped it, how sure they are."""
    if not choice.specs:
        download.nothing_here()
        return
    answering = [spec for spec in choice.specs if predictions.can_answer(spec, image, choice.framing)]
    download.cards((spec for spec in choice.specs if spec not in answering), choice.names)
    if not answering:
        return
    with result_cards.waiting(("ensemble", choice.names, image.id, choice.framing), 360):
        found = predictions.outcomes(answering, image, choice)
    for failure in (one for one in found if isinstance(one, Failure)):
        st.error(failure.error, title=caches.catalog().title_of(failure.model), icon=":material/error:")
    by_space = ensembles.groups(predictions.predictions(found))
    if len(by_space) > 1:
        st.caption(f":material/call_split: {result_cards.APART}")
    for space, members in by_space.items():
        if len(by_space) > 1:
            st.markdown(f"### {sentences.space_title(members[0].label_space)}", anchors=False)
        together = predictions.combine(members, choice)
        if isinstance(together, Failure):
            st.error(together.error, icon=":material/join_inner:")
        elif together is not None:
            _show(together, choice, space)
    ready = tuple(spec for spec in answering if caches.is_ready(spec))
    if len(ready) < len(answering):
        stored = [spec for spec in answering if spec not in ready]
        st.caption(f"{result_cards.PRECOMPUTED}: {', '.join(spec.title for spec in stored)}.")
        download.watch(stored)
    if ready:
        result_cards.downloads(image, ready, choice)


def _show(ensemble: Ensemble, choice: Choice, space: str) -> None:
    result_cards.show_verdict(ensemble.members, ensemble)
    if len(ensemble.members) == 1:
        _show_alone(ensemble, choice)
        return
    first = ensemble.prediction.top_k(1)[0]
    answer, parts = st.columns([3, 2], gap="small")
    with answer.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"**{RULES[ensemble.rule].title}** :small[:gray[of {len(ensemble.members)}]]")
        result_cards.show_ensemble(ensemble, choice, key=f"ensemble_{space}")
    with parts.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"**What each adds to {sentences.label_of(ensemble.prediction.label_space, first.index)}**")
        words = top_k.describe_contributions(ensemble, first.index)
        if choice.table:
            result_cards.table(top_k.contribution_rows(ensemble, first.index), words)
        else:
            spec = top_k.contribution_bars(ensemble, first.index, among=choice.names)
            result_cards.chart(spec, words, key=f"parts_{space}")
    _who_tipped_it(ensemble)
    _how_sure(ensemble)


def _show_alone(ensemble: Ensemble, choice: Choice) -> None:
    """The only chosen model with its classes: there is nothing to combine."""
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{sentences.title_of(ensemble.members[0])}** :small[:gray[one model: nothing to combine]]")
        result_cards.show(ensemble.members[0], choice)
    found = ensemble.uncertainty
    st.caption(f"Entropy {found.entropy_bits:.2f} bits ({found.level}).", help=ensembles.ENTROPY_SENTENCE)


def _who_tipped_it(ensemble: Ensemble) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Without one of them**")
        for without in ensembles.leave_one_out(ensemble):
            icon = ":material/swap_horiz:" if without.tips else ":material/check:"
            st.markdown(f"{icon} {sentences.describe_without(without)}")


def _how_sure(ensemble: Ensemble) -> None:
    found = ensemble.uncertainty
    st.markdown("**Uncertainty**")
    figures = [
        ("Entropy", f"{found.entropy_bits:.2f} bits", found.level, ensembles.ENTROPY_SENTENCE),
        (
            "Mutual information",
            f"{found.mutual_information_bits:.2f} bits",
            found.mutual_information_level,
            ensembles.MUTUAL_INFORMATION_SENTENCE,
        ),
        ("Disagreement", percent(found.disagreement, 0), found.disagreement_level, ensembles.DISAGREEMENT_SENTENCE),
    ]
    with st.grid(3, min_column_width=220):
        for name, value, level, sentence in figures:
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.metric(name, value, level, delta_color="off", delta_arrow="off")
                st.caption(sentence.partition(": ")[2].capitalize() or sentence)
