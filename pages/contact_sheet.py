"""Contact sheet: many images at once; where the models disagree, and how many are right where that is known."""

from imgrec.ui import settings_bar
from imgrec.ui.contact_sheet import drop_zone, sheet

choice = settings_bar.toolbar(pins=False)
drop_zone.panel()
sheet.show(choice)
