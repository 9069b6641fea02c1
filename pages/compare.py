"""Compare: drop an image, see every chosen model's prediction side by side, and their common one."""

from imgrec.ui import elements, image_input, settings_bar, tour
from imgrec.ui.compare import result_cards

tour.show()
left, right = elements.halves()
with left:
    image = image_input.panel()
with right:
    result_cards.compare(image, settings_bar.toolbar(layouts=True))
