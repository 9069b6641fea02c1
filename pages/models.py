"""Models: what is on this machine and in memory, the whole catalog, and how to get the rest."""

from imgrec.ui import choices, inventory, owned

specs = choices.models()
inventory.memory(specs)
if specs:
    inventory.actions(specs)
owned.panel()
inventory.catalogue()
