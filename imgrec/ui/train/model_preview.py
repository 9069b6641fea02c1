"""The newest classifier of a transfer learning run, tried on an image; while it trains the bars move."""

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.charts import transfer
from imgrec.errors import ImgrecError
from imgrec.images import decoding, gallery
from imgrec.images.preprocessing import frame
from imgrec.jobs import Job
from imgrec.training import transfer_job
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.transfer_job import Progress
from imgrec.ui import caches, image_input, uploads
from imgrec.ui.elements import Tile, errors_shown, strip
from imgrec.ui.image_store import Image
from imgrec.ui.markdown import plain

SIDE_PX = 220


def preview(job: Job, config: TransferConfig, progress: Progress, state: str) -> None:
    """Show an image of the visitor's choice, and the prediction of the newest classifier."""
    # Before the first features the network may still have to be downloaded, and a page does not wait for that.
    if not progress.features or progress.curves.data is None or state not in {"running", "finished"}:
        return
    is_changed = progress.tuned is None or progress.tuned.kept
    if config.fine_tune_layers and state == "finished" and is_changed:
        return  # its backbone is no longer the published one; Compare uses the whole network
    with st.container(border=True, gap="small"):
        st.markdown("**Try it while it trains**" if state == "running" else "**Try it**")
        left, right = st.columns([1, 2])
        with left:
            image = _image()
        with right:
            if image is None:
                st.caption("Drop an image, or choose a sample.")
                return
            with errors_shown():
                _prediction(job, config, progress, image)


def _prediction(job: Job, config: TransferConfig, progress: Progress, image: Image) -> None:
    row, classes = config.backbone_spec(), progress.curves.data.classes if progress.curves.data else []
    key = (image.id, row.name)
    kept = st.session_state.get("preview_features")
    if kept is None or kept[0] != key:
        pixels = frame(image.image, row.input_size, row.crop_fraction)
        features, _ = caches.pool().predict(row, pixels[None])
        kept = st.session_state["preview_features"] = (key, features)
    found = transfer_job.preview(job, kept[1])
    if found is None:
        st.caption("The first classifier is not trained yet.")
        return
    lines = transfer.preview_lines(found[0], classes)
    words = transfer.describe_preview(lines)
    st.vega_lite_chart(transfer.preview_chart(lines), theme=None, alt=f"Prediction: {words}", key="run_preview")
    st.caption(plain(words))
    if config.fine_tune_layers and progress.curves.epochs and progress.curves.finished is None:
        st.caption("Prediction of the classifier before fine-tuning of further layers.")


def _image() -> Image | None:
    """Return the image to classify: dropped here, a sample, or the one that is shown on Compare."""
    file = st.file_uploader(
        "Image to try",
        key=uploads.key_of("preview"),
        max_upload_size=uploads.image_limit_mib(),
        label_visibility="collapsed",
    )
    if file is not None and (refusal := _take(file)) is not None:
        st.error(plain(refusal), icon=":material/broken_image:")
    box = st.popover("Samples", icon=":material/photo_library:", type="tertiary", key="preview_box", on_change="rerun")
    if box.open:  # else they would be sent each time that the run is read
        tiles = [
            Tile(sample.file, f"{sample.title}: {sample.alt}", caches.sample_thumbnail(sample.file))
            for sample in gallery.get_samples()
        ]
        with box:
            strip("Sample images", tiles, key="preview_samples", on_pick=_take_sample)
    image: Image | None = st.session_state.get("preview_image") or image_input.current()
    if image is not None:
        thumbnail = caches.thumbnail(image.id, SIDE_PX, image.image)
        st.image(thumbnail, width="stretch", alt=f"Image to classify: {image.name}")
    return image


def _take(file: UploadedFile) -> str | None:
    """Make the dropped image the one to classify, once; return the sentence if it cannot be used."""
    # The run is read each second while a classifier is trained, and the file stays in the uploader.
    taken: tuple[str, str | None] | None = st.session_state.get("preview_taken")
    if taken is None or taken[0] != file.file_id:
        refusal = None
        try:
            image = decoding.decode(file.getvalue(), max_bytes=caches.settings().max_upload_bytes, name=file.name)
            st.session_state["preview_image"] = Image(file.name, image)
        except ImgrecError as error:
            refusal = str(error)
        taken = st.session_state["preview_taken"] = (file.file_id, refusal)
    return taken[1]


def _take_sample(file: str) -> None:
    sample = gallery.get_sample(file)
    data = sample.path.read_bytes()
    st.session_state["preview_image"] = Image(sample.title, decoding.decode(data, max_bytes=len(data)))
    # An image that was dropped before must not come back.
    dropped: UploadedFile | None = st.session_state.get(uploads.key_of("preview"))
    uploads.empty("preview", [dropped] if dropped is not None else [])
