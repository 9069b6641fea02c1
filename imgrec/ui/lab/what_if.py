"""One damage of one strength: the damaged image beside the original, and what each model makes of it."""

import streamlit as st

from imgrec.charts import robustness as charts
from imgrec.explanation.corruptions import CORRUPTIONS, STRENGTHS
from imgrec.explanation.robustness import UNDAMAGED, damaged_views
from imgrec.predictions.prediction import DEFAULT_TOP_K, Failure, Prediction
from imgrec.reports.sentences import label_of
from imgrec.ui import query_params
from imgrec.ui.compare import result_cards
from imgrec.ui.image_input import Image
from imgrec.ui.lab import trials
from imgrec.ui.lab.trials import Subject

DEFAULT_KIND, DEFAULT_STRENGTH = "noise", 3

PREVIEW_PX = 260

# A table of four columns; three stand side by side on a usual screen.
MIN_CARD_PX = 290


def show(image: Image, subject: Subject) -> None:
    """Show the chooser of a damage, both images, and the changes of the first classes of each model."""
    kind, strength = _damage()
    damage = (kind, strength) if strength else UNDAMAGED
    views = dict(damaged_views(image.image, [UNDAMAGED, damage]))
    with st.container(horizontal=True, gap="small"):
        for one, caption in ((UNDAMAGED, "Original"), (damage, CORRUPTIONS[kind].describe(strength))):
            with st.container(width=PREVIEW_PX, gap="xxsmall"):
                st.image(views[one], alt=f"{image.name}: {caption}", output_format="PNG")
                st.caption(f"{caption[0].upper()}{caption[1:]}")
    place = result_cards.reserve(
        trials.count_missing(image, subject.specs, [UNDAMAGED, damage]) > 0, lambda: st.skeleton(height=220)
    )
    found = trials.damaged(image, subject.specs, [UNDAMAGED, damage])
    with place(), st.grid(min_column_width=MIN_CARD_PX):
        for spec in subject.specs:
            outcomes = found[spec.name]
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(f"{subject.swatch(spec).markdown} **{spec.title}**")
                failure = next((one for one in outcomes.values() if isinstance(one, Failure)), None)
                before, after = outcomes.get(UNDAMAGED), outcomes.get(damage)
                if failure is not None:
                    st.error(str(failure.error), icon=":material/error:")
                elif isinstance(before, Prediction) and isinstance(after, Prediction):
                    _changes(before, after)


def _damage() -> tuple[str, int]:
    """Choose kind and strength."""
    kinds = list(CORRUPTIONS)
    with st.container(horizontal=True, gap="medium"):
        kind = st.pills(
            "Damage",
            kinds,
            default=DEFAULT_KIND,
            required=True,
            key=query_params.named("damage", "damage", kinds, DEFAULT_KIND, title=lambda name: CORRUPTIONS[name].title),
            format_func=lambda name: CORRUPTIONS[name].title if name in CORRUPTIONS else str(name),
        )
        choices = query_params.choices()
        if "strength" in choices and "strength" not in st.session_state and "strength" not in st.query_params:
            st.session_state["strength"] = choices["strength"]
        query_params.number("strength", "the strength", 0, STRENGTHS[-1])
        strength = st.slider(
            "Strength", 0, STRENGTHS[-1], DEFAULT_STRENGTH, key="strength", bind="query-params", width=220
        )
        choices["strength"] = strength
    return (kind if kind in CORRUPTIONS else DEFAULT_KIND), strength


def _changes(before: Prediction, after: Prediction) -> None:
    was, now = before.first, after.first
    same = was.index == now.index
    label = label_of(after.label_space, now.index)
    old = label_of(before.label_space, was.index)
    sentence = f"Still {label}." if same else f"Now {label}, not {old}."
    st.markdown(f"{':material/check:' if same else ':material/swap_horiz:'} {sentence}")
    rows = [
        {name: cell for name, cell in row.items() if name != "Points"}
        for row in charts.change_rows(before, after, DEFAULT_TOP_K)
    ]
    words = ", ".join(f"{row['Class']} {row['Before']} → {row['Now']} ({row['Change']})" for row in rows)
    result_cards.table(rows, f"{sentence} {words}.")
