"""Damage in five strengths: one of them in detail, then all as curves."""

from collections.abc import Mapping, Sequence

import streamlit as st

from imgrec.charts import robustness as charts
from imgrec.charts.robustness import SHAPES
from imgrec.explanation.corruptions import CORRUPTIONS
from imgrec.explanation.robustness import (
    ALL_DAMAGE,
    UNDAMAGED,
    ByDamage,
    describe_first_change,
    describe_mean,
    summarize,
)
from imgrec.inference.request import Options
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.sentences import title_of
from imgrec.ui import pinned
from imgrec.ui.compare import result_cards
from imgrec.ui.image_input import Image
from imgrec.ui.lab import scopes, trials, what_if
from imgrec.ui.lab.trials import Outcome, Subject

# Two stand side by side on a phone.
MIN_CHART_PX = 160
CHARTS_PX = 2 * 190


def show(image: Image, subject: Subject) -> None:
    """Show one damage in detail and, as soon as they are computed, the curves of all."""
    what_if.show(image, subject)
    st.markdown("#### All damage, all strengths", anchors=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        images = scopes.choose(image, len(subject.specs))
        # The true class, where the visitor knows it.
        pinned.choose(Options(subject.specs))
    place = st.empty()
    missing = sum(trials.count_missing(one, subject.specs, ALL_DAMAGE) for one in images)
    found: list[Mapping[str, Mapping[tuple[str, int], Outcome]]] = []
    if missing:
        with place.container():
            bar = st.progress(0.0, f"0 of {missing:,} predictions")
            st.skeleton(height=CHARTS_PX)
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            if done % 5 == 0 or done == missing:
                bar.progress(min(1.0, done / missing), f"{done:,} of {missing:,} predictions")

        found = [trials.damaged(one, subject.specs, ALL_DAMAGE, count) for one in images]
        place.empty()
    else:
        found = [trials.damaged(one, subject.specs, ALL_DAMAGE) for one in images]
    with place.container():
        _curves(found, subject)


def _curves(found: Sequence[Mapping[str, Mapping[tuple[str, int], Outcome]]], subject: Subject) -> None:
    """Show the sentence, the legend and one small chart for each kind, or all as one table."""
    whole: dict[str, list[ByDamage]] = {}
    for spec in subject.specs:
        outcomes = [by_model[spec.name] for by_model in found]
        failures = [one for each in outcomes for one in each.values() if isinstance(one, Failure)]
        if failures:
            st.error(str(failures[0].error), title=title_of(failures[0]), icon=":material/error:")
            continue
        whole[spec.name] = [
            {damage: one for damage, one in each.items() if isinstance(one, Prediction)} for each in outcomes
        ]
    if not whole:
        return
    models = [summarize(images, pinned.index_in(images[0][UNDAMAGED].label_space)) for images in whole.values()]
    sentence = (
        describe_first_change({name: images[0] for name, images in whole.items()})
        if len(found) == 1
        else describe_mean(models)
    )
    st.subheader(sentence, anchor=False)
    swatches = {spec.name: subject.swatch(spec) for spec in subject.specs}
    known = [pinned.index_in(images[0][UNDAMAGED].label_space) is not None for images in whole.values()]
    which = "the class that is pinned" if any(known) else "its first class without damage"
    which += ", or its first class where it does not know that" if any(known) and not all(known) else ""
    mean = "" if len(found) == 1 else f", mean of {len(found)} images"
    if subject.table:
        words = " ".join(charts.describe_strengths(models, kind) for kind in CORRUPTIONS)
        result_cards.table(charts.strength_rows(models), words)
    else:
        legend = [
            f':color[{SHAPES[place % len(SHAPES)][1]}]{{foreground="{swatches[one.model].color}"}} {one.title}'
            for place, one in enumerate(models)
        ]
        st.markdown("  ".join(legend))
        with st.grid(4, min_column_width=MIN_CHART_PX, gap="small"):
            for kind, corruption in CORRUPTIONS.items():
                with st.container(gap="xxsmall"):
                    st.markdown(f"**{corruption.title}**")
                    chart = charts.strength_chart(models, kind, swatches)
                    result_cards.chart(chart, charts.describe_strengths(models, kind), key=f"lab_{kind}")
    st.caption(
        f"Probability that each model gives {which}{mean}, over the strength from 0 to 5. The damage is imgrec's own."
    )
