"""Ensemble: the chosen models as one. Rules, weights, leave-one-out, and how sure they are."""

from imgrec.ui import image_input, layout, settings_bar
from imgrec.ui.ensemble import combined

left, right = layout.halves()
with left:
    image = image_input.panel()
with right:
    combined.explain(image, settings_bar.toolbar(rule_in_sight=True))
