"""The doctor: what is wrong with a dataset, before a model is trained on it. Knows no models and no interface.

`doctor`: `examine` a dataset.
`report`: `Finding`, `Diagnosis`.
`scan`: what is measured of each image.
`checks`: one function a check.
`label_errors`: confident learning.
"""
