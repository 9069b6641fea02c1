"""Compare: drop an image, see every chosen model's prediction side by side, and their common one."""

from imgrec.ui import cards, choices, layout, pictures

left, right = layout.halves()
with left:
    picture = pictures.panel()
with right:
    cards.compare(picture, choices.toolbar())
