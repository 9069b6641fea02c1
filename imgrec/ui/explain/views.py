"""The Explain page: the choice of the view. Only the chosen view is computed."""

from imgrec.ui.explain import inside
from imgrec.ui.image_input import Image

VIEWS = {"Inside the network": inside.show}


def show(image: Image) -> None:
    """Show the chosen view of `image`."""
    VIEWS["Inside the network"](image)
