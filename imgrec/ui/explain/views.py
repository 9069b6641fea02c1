"""The Explain page: the choice of the view. Only the chosen view is computed."""

from imgrec.ui import query_params
from imgrec.ui.explain import heat_maps, inside
from imgrec.ui.image_input import Image

VIEWS = {"Heat-maps": heat_maps.show, "Inside the network": inside.show}


def show(image: Image) -> None:
    """Show the chosen view of `image`."""
    names = list(VIEWS)
    name = query_params.segmented("Explain", "view", names, names[0], "explain", label_visibility="collapsed")
    VIEWS[name](image)
