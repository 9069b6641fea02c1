"""The Explain page: heat-maps of the chosen models, and the layers of one network from the inside.

`views`: the choice of the view.
`heat_maps`: one map for each model and one of the ensemble, as they are computed.
`class_choice`: the class that the maps are about.
`map_cards`: how a map looks, and the controls for that.
`map_files`: maps as a table and as files.
`inside`: what each layer computes for the image.
`pixels`: the image as numbers.
"""
