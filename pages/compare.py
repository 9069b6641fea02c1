"""Compare: drop a picture, see every chosen model's answer side by side, and their common one."""

from imgrec.ui import cards, choices, layout, pictures

left, right = layout.halves()
with left:
    picture = pictures.panel()
with right:
    choice = choices.toolbar()
    if picture is None:
        cards.welcome(choice)
    else:
        cards.compare(picture, choice)
