"""Where a network looked, and what changes its answer: maps, damage, wrong preprocessing.

Knows predictions, images and loaded networks, and nothing of how a map is shown.

`target`: the class, or group of classes, that a map is about.
`attribution`: one map for each model.
`subject`: a network and the image that it was given.
`class_activation`: maps from the last feature map.
`perturbation`: occlusion and RISE, for any network.
`interpolation`: values between the centers of a grid.
`alignment`: maps on the original image, and their mean.
`faithfulness`: insertion and deletion.
`corruptions`: eight kinds of damage in five strengths.
`robustness`: probabilities over the strength of damage.
`severity`: accuracy on a dataset over the strength of damage.
`preprocessing_trials`: one network under right and wrong preprocessing.
`preprocessing_sentences`: wrong preprocessing in sentences.
`layer_kinds`: `LAYER_KINDS`: what each kind of layer computes, in a sentence.
`layers`: `read_layers` of a compiled network.
`feature_maps`: what each layer computes for one image.
`color_scale`: colors for numbers.
"""
