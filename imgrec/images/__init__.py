"""Untrusted bytes become a decoded image, and an image becomes what a network is given; every decoder is in this room.

Knows no models, labels or datasets.

`formats`: the format that bytes claim to be.
`color`: every pixel mode to 8-bit sRGB.
`remote`: the image at an address; public addresses only.
`decoding`: `decode`, `DecodedImage`, thumbnails; limits on bytes and pixels.
`preprocessing`: resize, crop, normalize.
`transforms`: blur, rotation, JPEG, large squares, for images to be damaged.
`perceptual_hash`: difference hashes and near-duplicates.
`encoding`: pixels as PNG and JPEG files.
`gallery`: the sample images that come with the project.
"""
