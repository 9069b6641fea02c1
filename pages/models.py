"""Models: what is on this machine and in memory, the whole catalog, and how to get the rest."""

from imgrec.ui import settings_bar
from imgrec.ui.models import catalog_table, compact_twins, network_layers, user_models

specs = settings_bar.models()
catalog_table.memory(specs)
if specs:
    catalog_table.actions(specs)
compact_twins.panel()
user_models.panel()
catalog_table.catalog()
network_layers.panel()
