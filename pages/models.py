"""Models: the whole catalogue, what of it is on this machine and in memory, and how to get the rest."""

from imgrec.ui import choices, inventory, owned

specs = choices.models()
if specs:
    inventory.memory(specs)
    inventory.actions(specs)
owned.panel()
inventory.catalogue()
