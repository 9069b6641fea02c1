"""How maps look on the page: the choice of view, opacity and contour, one card a map, one scale for all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from imgrec.charts.colors import swatch_of
from imgrec.explanation import overlay
from imgrec.explanation.alignment import on_image
from imgrec.explanation.attribution import METHODS, Attribution
from imgrec.explanation.faithfulness import Faithfulness
from imgrec.explanation.map_report import MeasuredMap
from imgrec.explanation.overlay import Scale
from imgrec.formatting import milliseconds, percent, signed
from imgrec.images import encoding, preprocessing
from imgrec.images.decoding import DecodedImage
from imgrec.ui import caches, query_params
from imgrec.ui.elements import before_after, download
from imgrec.ui.image_input import Image
from imgrec.ui.widget_keys import key_of

OVERLAY, SIDE_BY_SIDE, SLIDER = VIEWS = ("Overlay", "Side by side", "Slider")

DEFAULT_OPACITY = 70

CONTOUR_HELP = "A line around the values from half of the largest of the map on."

SCALES_HELP = (
    "Networks differ in how large their values are: a sure one may be dull beside an unsure one. With its own scale, "
    "each map shows where, not how much."
)

SCORES_HELP = (
    "The image is uncovered, or covered, from the strongest place of the map on; the score is the mean probability of "
    "the class meanwhile. A map that shows what matters has a large insertion and a small deletion. "
    "It takes 124 inferences a map."
)

# The longer side of an image on a card, in px; a card is half as wide on most screens.
SIDE_PX = 640


@dataclass(frozen=True, slots=True)
class Look:
    """How maps are shown: `view` is one of `VIEWS`, `opacity` in [0, 1]; `scores` are insertion and deletion."""

    view: str
    opacity: float
    contour: bool
    scores: bool
    own_scales: bool = False

    def scale(self, one: MeasuredMap, maps: Sequence[MeasuredMap]) -> Scale:
        """Return the scale of one of the `maps` of a page: the common one, or its own."""
        return overlay.common_scale(each.found.values for each in ([one] if self.own_scales else maps))


def choose_look() -> Look:
    """Show the controls of the look: the view, and the others behind one button."""
    view = query_params.segmented("View", "view of maps", VIEWS, OVERLAY, "map")
    choices = query_params.choices()
    for key in ("opacity", "contour", "scores", "own_scales"):
        if key in choices and key not in st.session_state and key not in st.query_params:
            st.session_state[key] = choices[key]
    with st.popover("Display", icon=":material/palette:"):
        query_params.number("opacity", "the opacity", 0, 100)
        opacity = st.slider("Opacity in %", 0, 100, DEFAULT_OPACITY, 5, key="opacity", bind="query-params", width=240)
        contour = st.toggle("Contour", key="contour", bind="query-params", help=CONTOUR_HELP)
        scores = st.toggle("Insertion and deletion", key="scores", bind="query-params", help=SCORES_HELP)
        own_scales = st.toggle("A scale for each map", key="own_scales", bind="query-params", help=SCALES_HELP)
    choices["opacity"], choices["contour"], choices["scores"] = opacity, contour, scores
    choices["own_scales"] = own_scales
    return Look(view, opacity / 100, contour, scores, own_scales)


def photo_of(image: Image) -> np.ndarray:
    """Return the whole image at the size of a card: uint8 (H, W, 3)."""
    return caches.framed(image.id, _card_size(image.image), 1.0, "squash", image.image)


def resized(image: DecodedImage) -> np.ndarray:
    """Return as `photo_of`, without a cache: for files, which are made outside the session."""
    return preprocessing.frame(image, _card_size(image), 1.0, "squash")


def _card_size(image: DecodedImage) -> tuple[int, int]:
    height, width = image.pixels.shape[:2]
    scale = min(1.0, SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def drawn(found: Attribution, photo: np.ndarray, scale: Scale, look: Look) -> np.ndarray:
    """Return a map over the photo: uint8 (H, W, 3)."""
    values = on_image(found, (photo.shape[0], photo.shape[1]))
    return overlay.draw(photo, values, scale, opacity=look.opacity, contour=look.contour)


def file_name(found: Attribution) -> str:
    """Return the name of the file of a map."""
    label = "".join(letter if letter.isalnum() else "_" for letter in found.target.label)
    return f"{found.model}_{label}_{found.method}.png"


def legend(maps: Sequence[MeasuredMap], method: str, look: Look) -> None:
    """Show the colors with the values and the unit of their scale; without values where each map has its own."""
    scale = look.scale(maps[0], maps)
    colors = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in overlay.legend(scale, 33).tolist())
    zero = -scale.low / ((scale.high - scale.low) or 1.0)
    # Near an end there is no room for 0.
    marks = {0.0: scale.low, 1.0: scale.high} | ({zero: 0.0} if 0.08 < zero < 0.92 else {})
    words = {at: "0" if at == zero else ("lowest", "highest")[round(at)] for at in marks}
    texts = words if look.own_scales else {at: signed(marks[at]) for at in marks}
    figures = "".join(f'<span style="left:{100 * at:.1f}%">{texts[at]}</span>' for at in sorted(marks))
    st.html(
        f'<div class="imgrec-scale"><div style="background:linear-gradient(to right, {colors})"></div>'
        f"<p>{figures}</p></div>"
    )
    unit = METHODS[method].unit.capitalize()
    scales = "a scale for each map" if look.own_scales else "one scale for all maps"
    st.caption(
        f"{unit}, {scales}. Blue speaks against the class, orange to yellow for it. Dark gray: outside "
        "of what the model was given."
    )


def header(model: str, title: str, remark: str, among: Iterable[str]) -> None:
    """Show the title of a card; `among` as in `swatch_of`."""
    st.markdown(f"{swatch_of(model, among).markdown} **{title}** :small[:gray[{remark}]]")


def card(
    one: MeasuredMap,
    photo: np.ndarray,
    scale: Scale,
    look: Look,
    among: Iterable[str],
    *,
    names_class: bool,
    with_widgets: bool,
) -> None:
    """Show one map: its title, the map in the chosen view, and its scores.

    `names_class` where the maps are of several classes; of one, the heading above all cards names it, and a long title
    needs the room. A card may be drawn several times in one run, but its widgets only once: `with_widgets`.
    """
    found = one.found
    parts = (found.model, found.target.label_space.name)
    said = percent(found.probability)
    header(found.model, found.title, f"{said} {found.target.label}" if names_class else said, among)
    image = drawn(found, photo, scale, look)
    words = f"{found.title}, {found.target.label}: {one.figures.sentence}"
    if look.view == SLIDER and with_widgets:
        before_after(words, encoding.to_jpeg(photo), encoding.to_jpeg(image), key=key_of("slider", *parts))
    else:
        both = np.concatenate([photo, image], axis=1) if look.view == SIDE_BY_SIDE else image
        st.image(encoding.to_jpeg(both), width="stretch", alt=words)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        facts = [f"Computed in {milliseconds(found.milliseconds)}", *map(_score, one.scores, one.scores.values())]
        st.caption("  \n".join(facts))
        if with_widgets:
            content = partial(_png, found, photo, scale, look)
            download("PNG", content, file_name(found), "image/png", key=key_of("png", *parts), type="tertiary")


def _score(baseline: str, found: Faithfulness) -> str:
    return f"Insertion {found.insertion_area:.2f} · deletion {found.deletion_area:.2f} ({baseline})"


def _png(found: Attribution, photo: np.ndarray, scale: Scale, look: Look) -> bytes:
    return encoding.to_png(drawn(found, photo, scale, look))
