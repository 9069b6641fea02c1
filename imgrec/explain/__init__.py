"""Where a network looked, and what each of its layers made of an image. Knows no interface.

`layer_kinds`: `LAYER_KINDS`: what each kind of layer computes, in a sentence.
`layers`: `read_layers` of a compiled network.
`feature_maps`: what each layer computes for one image.
`color_scale`: colors for numbers.
"""
