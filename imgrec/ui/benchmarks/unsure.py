"""The view of the Benchmarks page on doubt: the risk of what is kept, and images without a class."""

import streamlit as st

from imgrec.charts import metric_curves
from imgrec.charts.colors import COLORS, swatch_of
from imgrec.errors import UnknownNameError
from imgrec.evaluation import selective_prediction
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.formatting import percent
from imgrec.metrics import curves
from imgrec.metrics.curves import Curve
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import ENSEMBLE
from imgrec.predictions.labels import LabelSpace, get_label_space
from imgrec.reports import detectors, sentences
from imgrec.ui import query_params
from imgrec.ui.benchmarks.measurements import chart_or_table, risk_curves, title

# As many as a plot of this width can show.
CURVE_POINTS = 120

# Of fewer images the share that is wrong jumps with each of them: curves begin here.
DRAWN_FROM = 0.1


def unsure(results: AlignedResults, table: bool) -> None:
    """Show what is gained by leaving out doubtful images, and how well doubt tells images without a class."""
    _risk(results, table)
    if results.about["label_space"] == "imagenet_1k" and out_of_distribution.measured():
        _detectors()
    elif (space := _space(results)) is not None and space.entropy_limit is not None:
        st.caption(sentences.describe_limit(space))


def _risk(results: AlignedResults, table: bool) -> None:
    """Show how many of the kept predictions are wrong, the surest kept first."""
    found = risk_curves(results)
    shown = dict(list(found.items())[: len(COLORS)])
    titles = {model: sentences.title_of(model) if model == ENSEMBLE else title(results, model) for model in found}
    colors = {titles[model]: swatch_of(model, results.models).color for model in shown}
    drawn = {titles[model]: curves.thinned(_from(DRAWN_FROM, curve), CURVE_POINTS) for model, curve in shown.items()}
    words = metric_curves.describe_risks({titles[model]: curve for model, curve in shown.items()})
    rows = [
        {"Model": titles[model]}
        | {
            f"Accuracy of {percent(kept, 0)}": percent(accuracy)
            for kept, accuracy in selective_prediction.kept_accuracy(curve).items()
        }
        | {"AURC": f"{curve.area:.4f}"}
        for model, curve in found.items()
    ]
    st.markdown(
        "**Wrong among what is kept**",
        help="The images with the least entropy are kept. AURC: the mean over "
        "all shares that can be kept, the smaller the better.",
    )
    spec = metric_curves.curve_chart(drawn, ("share kept", "wrong among these"), colors, y_end=None)
    chart_or_table(spec, words, rows, table, key="bench_risk")
    left = len(found) - len(shown)
    more = f" Drawn: {len(shown)} of {len(found)}, as many as there are colors." if left and not table else ""
    st.caption(f"{words.split('; ')[0]}.{more} The table has the others.")


def _from(least: float, curve: Curve) -> Curve:
    kept = curve.x >= least
    return Curve(curve.x[kept], curve.y[kept], curve.area)


def _detectors() -> None:
    """Show the detectors of images without an ImageNet class, and the limit that the sentences on Compare use."""
    titles = detectors.measured_models()
    st.markdown("**Images without a class**", help=f"{detectors.CONFOUNDS}\n\n{detectors.describe_origin()}")
    st.caption(detectors.describe_choice(), help=detectors.describe_detectors())
    model = st.selectbox(
        "Detectors of",
        list(titles),
        key=query_params.named("bench_unsure", "model", list(titles), ENSEMBLE, title=titles.__getitem__),
        format_func=lambda name: titles.get(name, str(name)),
        width=280,
    )
    st.table(
        detectors.detector_rows(model),
        border="horizontal",
        hide_index=True,
        alt=f"AUROC of each detector of {titles[model]} by kind of images",
    )
    st.caption(detectors.describe_limit(model))
    st.table(
        detectors.source_rows(model),
        border="horizontal",
        hide_index=True,
        alt=f"Images above the entropy limit of {titles[model]}",
    )


def _space(results: AlignedResults) -> LabelSpace | None:
    try:
        return get_label_space(results.about["label_space"])
    except UnknownNameError:  # a user's own classes
        return None
