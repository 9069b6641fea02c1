"""Explain: where the models looked, and what each layer of one of them computes."""

from imgrec.ui import elements, image_input
from imgrec.ui.explain import views

left, right = elements.halves()
with left:
    image = image_input.panel()
with right:
    views.show(image)
