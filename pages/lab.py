"""Lab: the same image under wrong preprocessing and under damage, and three published mistakes, run live."""

from imgrec.ui import elements, image_input
from imgrec.ui.lab import experiments

left, right = elements.halves()
with left:
    image = image_input.panel()
with right:
    experiments.show(image)
