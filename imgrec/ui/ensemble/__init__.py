"""The Ensemble page.

`combined`: the prediction of an ensemble, its members, its doubt.
"""
