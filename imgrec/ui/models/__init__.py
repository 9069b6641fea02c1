"""The Models page.

`catalog_table`: every model with its state, the memory.
`compact_twins`: exact or compact, and what is lost.
`download_progress`: the progress of a download and a conversion.
`network_layers`: the layers of a network.
`trained_models`: models that were trained here.
`user_models`: removing them.
"""
