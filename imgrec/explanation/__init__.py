"""Where a network looked, what each of its layers made of an image, and what changes its answer.

Knows predictions, images and networks, and no interface.

`target`: the class, or group of classes, that a map is about.
`attribution`: one map for each model.
`subject`: a network and the image that it was given.
`class_activation`: maps from the last feature map.
`perturbation`: occlusion and RISE, for any network.
`interpolation`: values between the centers of a grid.
`alignment`: maps on the original image, and their mean.
`faithfulness`: insertion and deletion.
`explanation`: the maps of all models for one image.
`map_figures`: extremes, peak and quarters of a map.
`map_images`: maps as images, for files and reports.
`map_report`: maps as JSON, CSV and rows.
`overlay`: a map over its photo.
`color_scale`: colors for numbers.
`layer_kinds`: `LAYER_KINDS`: what each kind of layer computes, in a sentence.
`layers`: `read_layers` of a compiled network.
`training_layers`: dropout, which a compiled network does not have.
`feature_maps`: what each layer computes for one image.
`corruptions`: eight kinds of damage in five strengths.
`robustness`: probabilities over the strength of damage.
`severity`: accuracy on a dataset over the strength of damage.
`preprocessing_trials`: one network under right and wrong preprocessing.
`preprocessing_sentences`: wrong preprocessing in sentences.
"""
