"""Where a network looked, and how sure that is.

Knows predictions, images and loaded networks, and nothing of how a map is shown.

`target`: the class, or group of classes, that a map is about.
`attribution`: one map for each model.
`subject`: a network and the image that it was given.
`class_activation`: maps from the last feature map.
`perturbation`: occlusion and RISE, for any network.
`interpolation`: values between the centers of a grid.
`alignment`: maps on the original image, and their mean.
`faithfulness`: insertion and deletion.
"""
