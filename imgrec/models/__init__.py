"""The catalog of models: specifications, weights, downloads, model cards. Knows nothing of how a network is run.

`catalog`: `ModelSpec`, one row a model.
`card_fields`: the fields of such a card, checked.
`cards`: `Card` of a model that was trained here.
`model_file`: a model file, checked before a library reads it.
`layer_table`: the layers of a saved network.
`network_layers`: the layers of every network of the catalog.
`downloads`: resumable HTTP downloads.
`weights`: find, fetch and verify weight files.
`model_file`: what a model file may hold, checked before a library reads it.
`torch_checkpoint`: tensors of a PyTorch file, without PyTorch.
"""
