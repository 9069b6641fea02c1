"""Ensemble: the chosen models as one. Rules, weights, who tipped it, and how sure they are."""

from imgrec.ui import cards, choices, consensus, layout, pictures

left, right = layout.halves()
with left:
    picture = pictures.panel()
with right:
    choice = choices.ensemble_toolbar()
    if picture is None:
        cards.welcome(choice)
    else:
        consensus.explain(picture, choice)
