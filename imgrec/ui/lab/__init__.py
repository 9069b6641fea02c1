"""The Lab page.

`experiments`: the choice of models and experiment.
`trials`: predictions under changed input, computed once.
`views`: what a network takes an image for.
`preprocessing`: one model under right and wrong preprocessing.
`robustness`: curves over the strength of damage.
`scopes`: the images that are damaged.
`what_if`: one damage, and what it changes.
`stories`: three published mistakes, run on this image.
"""
