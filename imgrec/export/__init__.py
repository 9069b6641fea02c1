"""A model as files that run without imgrec. Knows no interface; the formats of Keras are written in a worker process.

`bundle`: `Exports`: the folder or zip of a model.
`scripts`: the Python script and the README of an export.
`export_worker`: the worker process.
"""
