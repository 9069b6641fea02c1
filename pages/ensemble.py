"""Ensemble: the chosen models as one. Rules, weights, leave-one-out, and how sure they are."""

from imgrec.ui import elements, image_input, settings_bar
from imgrec.ui.ensemble import combined

left, right = elements.halves()
with left:
    image = image_input.panel()
with right:
    combined.explain(image, settings_bar.toolbar(rule_in_sight=True))
