"""Untrusted bytes become a decoded image, and an image becomes what a network is given; every decoder is in this room.

Knows no models, labels or datasets.

`formats`: the format that bytes claim to be.
`color`: every pixel mode to 8-bit sRGB.
`bands`: a large image, reduced band by band.
`working_size`: how much of an image is kept.
`limits`: how large an image and its parts may be, by its header.
`readers`: the foreign decoders.
`decoder_process`: a large image, decoded in a process with a limit on memory.
`remote`: the image at an address; public addresses only.
`raster`: pixels, as decoded or as an array.
`decoding`: `decode`, `DecodedImage`, thumbnails.
`opening`: `open_image`, from a file, an address or bytes.
`preprocessing`: resize, crop, normalize.
`transforms`: blur, rotation, JPEG, large squares, for images to be damaged.
`perceptual_hash`: difference hashes and near-duplicates.
`encoding`: pixels as PNG and JPEG files.
`gallery`: the sample images that come with the project.
"""
