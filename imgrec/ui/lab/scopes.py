"""The images that are damaged: the selected one, all of the visit, or those of the contact sheet."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.explanation.corruptions import SIDE_PX
from imgrec.explanation.robustness import ALL_DAMAGE
from imgrec.images import decoding, transforms
from imgrec.images.raster import Raster
from imgrec.ui import caches, query_params
from imgrec.ui.contact_sheet import drop_zone
from imgrec.ui.contact_sheet.drop_zone import Sheet
from imgrec.ui.image_input import Image, tray

ONE, ALL, SHEET = "This image", "All images", "Contact sheet"

# Of `caches.MAX_PREDICTIONS`, so many are for one visitor's images: more would be computed again at each click.
MAX_PREDICTIONS = caches.MAX_PREDICTIONS // 2

# A minute of computing with three small networks.
MAX_IMAGES = 24

# In the session: the sheet whose images were read last, and these, reduced as they are damaged.
_READ = "lab_sheet_images"


def choose(image: Image, models: int) -> Sequence[Image]:
    """Return the images to damage, at least one; of too many the last ones, or the first of a sheet, and it is said."""
    sheet = drop_zone.current()
    offered = [ONE, *([ALL] if len(tray()) > 1 else []), *([SHEET] if sheet is not None else [])]
    if len(offered) == 1:
        return [image]
    scope = query_params.segmented("Images", "images", offered, ONE, "lab_images", label_visibility="collapsed")
    most = min(MAX_IMAGES, max(1, MAX_PREDICTIONS // (len(ALL_DAMAGE) * models)))
    with_models = f"With {models} model{'' if models == 1 else 's'}, the"
    if scope == ALL:
        images = tray()
        if len(images) > most:
            st.caption(f"{with_models} last {most} of {len(images)} images are damaged.")
        return images[-most:]
    if scope == SHEET and sheet is not None:
        found = _read(sheet, most)
        if len(sheet.images.files) > most:
            st.caption(f"{with_models} first {most} of {len(sheet.images.files)} images are damaged.")
        return found or [image]
    return [image]


def _read(sheet: Sheet, most: int) -> list[Image]:
    """Return the first images of a sheet that can be read, decoded once and reduced: a sheet may have hundreds."""
    state = st.session_state
    known: tuple[Sheet, int, list[Image]] | None = state.get(_READ)
    if known is not None and known[0] is sheet and known[1] == most:
        return known[2]
    images = []
    for position in range(min(most, len(sheet.images.files))):
        limit = caches.settings().max_upload_bytes
        for _, data in sheet.images.read(limit, only=position):
            if isinstance(data, str):
                continue
            try:
                decoded = decoding.decode(data, max_bytes=limit)
            except ImgrecError:
                continue  # the sheet itself names it
            small = replace(decoded, whole=Raster(transforms.reduce(decoded.pixels, SIDE_PX)), middle=None)
            images.append(Image(sheet.images.files[position].title, small))
    state[_READ] = (sheet, most, images)
    return images
