"""Ensemble: the chosen models as one. Rules, weights, leave-one-out, and how sure they are."""

from imgrec.ui import choices, consensus, layout, pictures

left, right = layout.halves()
with left:
    picture = pictures.panel()
with right:
    consensus.explain(picture, choices.ensemble_toolbar())
