"""A service asked about the image on the page: only at the press of a button, only where its key is set."""

from collections.abc import Mapping

import streamlit as st

from imgrec.charts import top_k
from imgrec.errors import ImgrecError
from imgrec.formatting import milliseconds, percent
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.prediction import Failure
from imgrec.remote.classifier import RemoteAnswer, RemoteClassifier, Timing
from imgrec.remote.own_classes import roll_up
from imgrec.remote.services import SERVICES
from imgrec.ui import caches
from imgrec.ui.image_input import Image
from imgrec.ui.markdown import plain
from imgrec.ui.settings_bar import Choice

# In the session: answers by service and image, the last ones.
_ANSWERS = "remote_answers"
MAX_ANSWERS = 50


def show(image: Image, choice: Choice) -> None:
    """Show each service that has a key: a button, what it answers, and the images that are left this month."""
    settings = caches.settings()
    if settings.demo or settings.offline or not settings.google_vision_key:
        return
    panel = st.expander("Ask a service", icon=":material/cloud:", key="remote", on_change="rerun")
    if not panel.open:
        return
    with panel:
        for name, open_service in SERVICES.items():
            service = open_service(settings)
            found = _answers().get((name, image.id))
            if found is None:
                _button(service, image)
            elif isinstance(found, Failure):
                st.error(plain(str(found.error)), title=service.title, icon=":material/error:")
                _button(service, image, "Ask again")
            else:
                _answer(found, choice)


def _answers() -> dict[tuple[str, str], RemoteAnswer | Failure]:
    found: dict[tuple[str, str], RemoteAnswer | Failure] = st.session_state.setdefault(_ANSWERS, {})
    return found


def _button(service: RemoteClassifier, image: Image, label: str = "") -> None:
    try:
        left = service.budget.left
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.caption(
        f"A reduced copy of this image is sent to {service.title}, which may charge for it. {left:,} images are left "
        "this month."
    )
    if st.button(
        label or f"Ask {service.title}", icon=":material/cloud_upload:", key=f"ask_{service.name}", disabled=left == 0
    ):
        with st.spinner(f"{service.title} is asked …"):
            try:
                (outcome,) = service.classify([image.image])
            except ImgrecError as error:
                outcome = Failure(service.name, error, service.title)
        answers = _answers()
        answers[service.name, image.id] = outcome
        for oldest in list(answers)[:-MAX_ANSWERS]:
            del answers[oldest]
        st.rerun()


def _answer(found: RemoteAnswer, choice: Choice) -> None:
    prediction = found.prediction
    st.markdown(f"**{prediction.title}** :gray[{_time(found.timing)}]")
    words = top_k.describe_top_k(prediction, choice.k)
    if choice.table:
        st.dataframe(top_k.top_k_rows(prediction, choice.k), hide_index=True, height="content", alt=words)
    else:
        st.vega_lite_chart(top_k.top_k_bars(prediction, choice.k), theme=None, alt=words)
    if choice.classes is not None:
        st.markdown(_in_own_classes(found, choice.classes))
    st.caption("These labels do not exclude each other: they add up to more than 100 %, and join no ensemble.")


def _in_own_classes(found: RemoteAnswer, groups: ClassGroups) -> str:
    rolled_up = roll_up(found.prediction, groups)
    shares: Mapping[str, float] = dict(zip(groups.names, rolled_up.probabilities.tolist(), strict=True))
    return " · ".join(f"{plain(name)} {percent(share)}" for name, share in shares.items())


def _time(timing: Timing) -> str:
    if timing.server_ms is None or timing.network_ms is None:
        return milliseconds(timing.total_ms)
    return (
        f"{milliseconds(timing.total_ms)}: {milliseconds(timing.server_ms)} in the service, "
        f"{milliseconds(timing.network_ms)} on the network"
    )
