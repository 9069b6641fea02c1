"""How well measures of doubt tell images without an ImageNet class, in words and rows.

The figures are those of `out_of_distribution.measured`.
"""

from collections.abc import Mapping
from typing import Any

from imgrec.formatting import percent
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import ENSEMBLE

TITLES = {
    "entropy": "Entropy",
    "top_probability": "Highest probability",
    "top_logit": "Highest logit",
    "energy": "Energy",
}

MEANINGS = {
    "entropy": "of the probabilities, in bits",
    "top_probability": "of the first class, the lower the more doubt",
    "top_logit": "of the first class, before the softmax",
    "energy": "−log Σ exp of the logits (Liu et al. 2020)",
}

CONFOUNDS = (
    "The flowers are soft, 128 px wide; CIFAR-10's images are 32 px wide and enlarged; noise and text have no JPEG "
    "artifacts; ImageNet's validation images came squashed to 227 px. A detector sees such differences too: compare "
    "with images of the same origin that have a class."
)


def describe_detectors() -> str:
    """Return a line of Markdown for each detector: what its number is."""
    return "\n\n".join(f"**{title}**: {MEANINGS[name]}" for name, title in TITLES.items())


def measured_models() -> dict[str, str]:
    """Return the title of each measured model by its name, and first that of the ensemble of all; empty for none."""
    models = out_of_distribution.measured().get("models", {})
    titles = {name: str(about["title"]) for name, about in models.items()}
    return {ENSEMBLE: f"Ensemble of all {len(titles)}"} | titles if titles else {}


def describe_choice() -> str:
    """Return which detector limits are made of and why, with the mean figures of all."""
    found = out_of_distribution.measured()
    averages, chosen = found["detectors"], found["chosen"]
    order = sorted(averages, key=lambda name: -averages[name]["auroc"])
    areas = ", ".join(f"{TITLES[name].lower()} {averages[name]['auroc']:.3f}" for name in order)
    risks = ", ".join(f"{averages[name]['aurc']:.3f}" for name in order)
    why = "is the best" if order[0] == chosen else f"is level with {TITLES[order[0]].lower()} and finds mistakes better"
    return f"Mean AUROC: {areas} (AURC {risks}). {TITLES[chosen]} {why}, so the limits below are values of it."


def describe_origin() -> str:
    """Return when and by what the figures were measured."""
    found = out_of_distribution.measured()
    return f"Measured {found['measured_at'][:10]} by `{found['command']}`, OpenVINO {found['versions']['openvino']}."


def detector_rows(model: str) -> list[dict[str, str]]:
    """Return one row for each detector of a model or the ensemble: AUROC for each kind of images without a class."""
    found = out_of_distribution.measured()
    outside = {name: about for name, about in found["sources"].items() if not about["has_class"]}
    return [
        {"Detector": TITLES[name]}
        | {_sentence_case(about["title"]): f"{figures['auroc'][source]:.3f}" for source, about in outside.items()}
        | {"Mean": f"{_mean(figures['auroc'], outside):.3f}", "AURC": f"{figures['aurc']:.3f}"}
        for name, figures in _detectors(model).items()
    ]


def source_rows(model: str) -> list[dict[str, str]]:
    """Return one row for each kind of images: how many are above the entropy limit of a model or the ensemble."""
    found, figures = out_of_distribution.measured(), _detectors(model)["entropy"]
    return [
        {
            "Images": _sentence_case(about["title"]),
            "Number": f"{about['images']:,}",
            "ImageNet has a class": "yes" if about["has_class"] else "no",
            "Above the limit": percent(figures["flagged"][name], 0),
            "AUROC": f"{figures['auroc'][name]:.3f}" if name in figures["auroc"] else "–",
            "AUROC against the same origin": _figure(figures["auroc_same_origin"].get(name)),
        }
        for name, about in found["sources"].items()
    ]


def describe_limit(model: str) -> str:
    """Return the entropy limit of a model or the ensemble, what it keeps, and what it costs."""
    found, figures = out_of_distribution.measured(), _detectors(model)["entropy"]
    inside = found["sources"][found["inside"]]
    return (
        f"Entropy above {figures['limit']:.2f} bits is called unsure. That keeps {percent(found['kept'], 0)} of "
        f"{inside['images']:,} of {inside['title']} ({percent(figures['kept_of_other_half'])} when chosen on one half "
        f"and counted on the other); {percent(figures['flagged_right'], 0)} of those above were right."
    )


def _detectors(model: str) -> Mapping[str, Any]:
    found = out_of_distribution.measured()
    about = found["ensemble"] if model == ENSEMBLE else found["models"][model]
    detectors: Mapping[str, Any] = about["detectors"]
    return detectors


def _sentence_case(title: str) -> str:
    return title[:1].upper() + title[1:]


def _mean(values: Mapping[str, float], names: Mapping[str, object]) -> float:
    return sum(values[name] for name in names) / len(names)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
