"""One model under right and wrong preprocessing, side by side, and each mistake by itself."""

import streamlit as st

from imgrec.charts import robustness as changes
from imgrec.charts import top_k
from imgrec.charts.bars import ROW_PX, labeled_bars
from imgrec.charts.theme import Rows
from imgrec.explanation import preprocessing_sentences
from imgrec.explanation.preprocessing_trials import OPTIONS, Preprocessing, correct_for, differences, single_mistakes
from imgrec.formatting import change, percent, relative_change
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import DEFAULT_TOP_K, Failure, Prediction
from imgrec.reports.sentences import label_of
from imgrec.ui import query_params
from imgrec.ui.compare import result_cards
from imgrec.ui.image_input import Image
from imgrec.ui.lab import trials
from imgrec.ui.lab.trials import Outcome, Subject
from imgrec.ui.lab.views import MEANING, show_input

LABELS = {
    "mode": "Normalization",
    "channels": "Channels",
    "framing": "Framing",
    "resampling": "Resampling",
    "exif": "EXIF tag",
}
TITLES = {
    "identity": "none (0 to 255)",
    "unit": "0 to 1",
    "tf": "tf (−1 to 1)",
    "rgb": "RGB",
    "bgr": "BGR",
    "on": "used",
    "off": "ignored",
}

# What the page begins with: the line that is forgotten most often.
START = Preprocessing("identity")

# Sides of what the network sees, on a card and among all mistakes.
VIEW_PX, SMALL_VIEW_PX = 168, 120


def show(image: Image, subject: Subject) -> None:
    """Show the settings, what they do to one model, and what each mistake does by itself."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        spec = _model(subject)
        tried = _settings(spec)
    correct = correct_for(spec)
    mistakes = single_mistakes(spec)
    fill = result_cards.reserve(
        trials.count_missing(image, [spec], [correct, tried]) > 0,
        lambda: st.skeleton(height=result_cards.HEADLINE_PX + VIEW_PX + DEFAULT_TOP_K * ROW_PX),
    )
    below = result_cards.reserve(
        trials.count_missing(image, [spec], mistakes) > 0, lambda: st.skeleton(height=ROW_PX * len(mistakes))
    )
    outcomes = trials.under(image, spec, [correct, tried])
    with fill():
        _pair(image, spec, tried, outcomes[correct], outcomes[tried], subject)
    if isinstance(right := outcomes[correct], Prediction):
        each = trials.under(image, spec, mistakes)
        with below():
            _mistakes(image, spec, tried, right, each, subject)
    else:
        below()


def _model(subject: Subject) -> ModelSpec:
    """Choose one of the models of the page."""
    by_name = {spec.name: spec for spec in subject.specs}
    if len(by_name) == 1:
        return subject.specs[0]
    names = list(by_name)
    key = query_params.named("lab_model", "model", names, names[0], title=lambda name: by_name[name].title)
    if st.session_state.get(key) not in by_name:
        st.session_state.pop(key, None)
    chosen = st.selectbox(
        "Model", names, key=key, format_func=lambda name: by_name[name].title if name in by_name else name, width=210
    )
    return by_name.get(chosen, subject.specs[0])


def _settings(spec: ModelSpec) -> Preprocessing:
    """Show a chooser for each setting; the one that the weights expect is marked."""
    correct = correct_for(spec)
    chosen = {}
    for name, options in OPTIONS.items():

        def title(option: str, name: str = name) -> str:
            mark = " ✓" if option == getattr(correct, name) else ""
            return f"{TITLES.get(option, option)}{mark}"

        default, help = getattr(START, name), "\n\n".join(f"**{title(o)}**: {text}" for o, text in options.items())
        key = query_params.named(f"lab_{name}", LABELS[name].lower(), list(options), default, title=title)
        if name == "mode":
            picked = st.selectbox(
                LABELS[name],
                list(options),
                index=list(options).index(default),
                key=key,
                format_func=title,
                help=f"{help}\n\n✓: what {spec.title} was trained with.",
                width=190,
            )
        else:
            picked = st.segmented_control(
                LABELS[name], list(options), default=default, required=True, key=key, format_func=title, help=help
            )
        chosen[name] = picked if picked in options else default
    return Preprocessing(**chosen)


def _pair(
    image: Image, spec: ModelSpec, tried: Preprocessing, right: Outcome, wrong: Outcome, subject: Subject
) -> None:
    """Show the right prediction and the one under the chosen settings, above them what changed and why."""
    for outcome in {id(one): one for one in (right, wrong)}.values():
        if isinstance(outcome, Failure):
            st.error(str(outcome.error), title=spec.title, icon=":material/error:")
    if not (isinstance(right, Prediction) and isinstance(wrong, Prediction)):
        return
    st.subheader(preprocessing_sentences.describe_effect(right, wrong), anchor=False)
    st.markdown(preprocessing_sentences.explain(image.image, spec, tried))
    with st.grid(2, min_column_width=result_cards.MIN_CARD_PX):
        _card(image, spec, correct_for(spec), right, None, subject)
        _card(image, spec, tried, wrong, right, subject)


def _card(
    image: Image,
    spec: ModelSpec,
    settings: Preprocessing,
    prediction: Prediction,
    before: Prediction | None,
    subject: Subject,
) -> None:
    """Show a prediction with what the network takes the image for; beside it in a table what was `before`."""
    swatch = subject.swatch(spec)
    remark = _remark(settings, spec)
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"{swatch.markdown} **{spec.title}** :small[:gray[{remark}]]")
        show_input(image, spec, settings, VIEW_PX, remark)
        words = top_k.describe_top_k(prediction, DEFAULT_TOP_K)
        key = f"lab_{'right' if before is None else 'tried'}"
        if subject.table and before is not None:
            result_cards.table(changes.change_rows(before, prediction, DEFAULT_TOP_K), words)
        elif subject.table:
            result_cards.table(top_k.top_k_rows(prediction), words)
        else:
            result_cards.chart(top_k.top_k_bars(prediction, among=subject.swatches), words, key=key)


def _mistakes(
    image: Image,
    spec: ModelSpec,
    chosen: Preprocessing,
    right: Prediction,
    each: dict[Preprocessing, Outcome],
    subject: Subject,
) -> None:
    """Show the probability of the right first class under each mistake by itself; `chosen` is explained above."""
    first = right.first
    label = label_of(right.label_space, first.index)
    found = {tried: outcome for tried, outcome in each.items() if isinstance(outcome, Prediction)}
    rows: Rows = [
        {
            "Setting": "as trained",
            f"Probability of {label}": percent(first.probability),
            "Points": "–",
            "Change": "–",
            "First class": f"{label} {percent(first.probability)}",
        }
    ]
    bars: Rows = [{"line": 0, "start": 0.0, "end": first.probability} | rows[0]]
    for tried, outcome in found.items():
        share, now = float(outcome.probabilities[first.index]), outcome.first
        row = {
            "Setting": _remark(tried, spec),
            f"Probability of {label}": percent(share),
            "Points": change(first.probability, share),
            "Change": relative_change(first.probability, share),
            "First class": f"{label_of(outcome.label_space, now.index)} {percent(now.probability)}",
        }
        bars.append({"line": len(rows), "start": 0.0, "end": share} | row)
        rows.append(row)
    worst = min(found, key=lambda tried: float(found[tried].probabilities[first.index]), default=None)
    words = f"{spec.title}, probability of {label} with one setting changed: " + ", ".join(
        f"{row['Setting']} {row[f'Probability of {label}']}" for row in rows
    )
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**One mistake at a time** :small[:gray[probability of {label}]]")
        if subject.table:
            result_cards.table(rows, f"{words}.")
        else:
            lines = [(row["Setting"], row[f"Probability of {label}"]) for row in rows]
            result_cards.chart(labeled_bars(bars, lines, swatches=subject.swatch(spec)), f"{words}.", key="lab_each")
        if worst not in (None, chosen):
            st.caption(f"Costs most: {preprocessing_sentences.explain(image.image, spec, worst or chosen)}")
    panel = st.expander(
        "What the network takes the image for", icon=":material/visibility:", key="lab_sees", on_change="rerun"
    )
    if panel.open:
        with panel, st.grid(6, min_column_width=SMALL_VIEW_PX):
            for tried in [correct_for(spec), *each]:
                with st.container(gap="xxsmall"):
                    show_input(image, spec, tried, SMALL_VIEW_PX, _remark(tried, spec))
                    st.caption(_remark(tried, spec))
        panel.caption(MEANING)


def _remark(settings: Preprocessing, spec: ModelSpec) -> str:
    """Return the settings that are not as trained: "none (0 to 255), BGR"; "as trained" where all are."""
    named = {"exif": "EXIF {}"}
    values = {name: getattr(settings, name) for name in differences(settings, spec)}
    words = [named.get(name, "{}").format(TITLES.get(value, value)) for name, value in values.items()]
    return ", ".join(words) or "as trained"
