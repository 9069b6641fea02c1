"""Images that are nearly the same: 64 bits of each, all pairs that differ in few of them, and a second comparison.

The bits are a difference hash (Krawetz 2013, "Kind of like that", hackerfactor.com): the image as 9 × 8 gray fields,
and for each field whether its neighbor to the right is brighter. They hardly change when an image is stored smaller,
with another quality or a little brighter, and half of them change between images that have nothing in common.
Some pairs come near by chance (a bright thing before a dark ground), so candidates are compared once more, by the
correlation of their thumbnails.

Measured on 4,317 photos of flowers (128 × 128 px) and 10,000 of cats and dogs (short side up to 112 px), 400 of each
changed in ten ways. Bits that differ, 99th percentile: stored as JPEG of quality 30: 4; half the size: 3; 1.7 times
the size: 2; contrast or brightness changed by a fifth: 6; in gray: 2; an edge of 2 % cut off: 10. The correlation of
all these stays above 0.96, with the edge cut off mostly above 0.93. Of the 50 million pairs of cats and dogs 895 differ
in 10 bits or less; 7 of them are copies, with a correlation of 0.998 or more, and no other has more than 0.88.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from imgrec.errors import InputError
from imgrec.images.preprocessing import frame

# (rows, columns) of the thumbnail that is kept of an image: two by two fields of it are one field of the hash.
THUMBNAIL_SHAPE = (16, 18)

FIELDS = THUMBNAIL_SHAPE[0] * THUMBNAIL_SHAPE[1]

# A pair of this many different bits or less is looked at again, and is one when it correlates as much; see above.
MAX_BITS = 10
MIN_CORRELATION = 0.95

# Brightness is Rec. 601's, as a JPEG stores it.
LUMA = tuple(map(np.float32, (0.299, 0.587, 0.114)))

# Standard deviation of brightness (0-255) below which an image is too flat to be distinguished from another;
# a photo of galaxies on a black sky has 7.
MIN_CONTRAST = 2.0

# Images compared with all others at a time: 256 × 60,000 words are 120 MB.
BLOCK = 256

# Candidates that are looked at again at a time, 288 numbers each.
SECOND_LOOKS = 65_536


def brightness(thumbnails: np.ndarray) -> np.ndarray:
    """float32 (…), 0-255, of uint8 (…, 3) RGB."""
    red, green, blue = (thumbnails[..., channel] * weight for channel, weight in enumerate(LUMA))
    return np.asarray(red + green + blue)


def difference_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Return the 64 bits of each image, uint64 (N,), from uint8 thumbnails (N, *THUMBNAIL_SHAPE, 3) in RGB."""
    if thumbnails.shape[1:] != (*THUMBNAIL_SHAPE, 3) or thumbnails.dtype != np.uint8:
        raise InputError(
            f"Expected thumbnails of type uint8 and shape (N, {', '.join(map(str, THUMBNAIL_SHAPE))}, 3). "
            f"Received: {thumbnails.dtype} {thumbnails.shape}."
        )
    rows, columns = THUMBNAIL_SHAPE
    fields = brightness(thumbnails).reshape(-1, rows // 2, 2, columns // 2, 2).sum(axis=(2, 4))
    brighter = fields[:, :, 1:] > fields[:, :, :-1]
    return np.packbits(brighter.reshape(len(thumbnails), 64), axis=1).view(">u8").astype(np.uint64).reshape(-1)


def near_pairs(thumbnails: np.ndarray, *, limit: int) -> np.ndarray:
    """All pairs i < j of images that are nearly the same, int64 (K, 2), in order; the first `limit` of them.

    Flat images are like no other. Time grows with N²: half a second for 10,000 images on one core, 20 s for 60,000.
    """
    hashes, looks = difference_hashes(thumbnails), _looks(thumbnails)
    rich = np.flatnonzero(looks.any(axis=1))
    found: list[np.ndarray] = []
    for pairs in _candidates(hashes[rich]):
        found.append(rich[pairs[_alike(pairs, looks[rich])]])
        if sum(map(len, found)) >= limit:
            break
    return np.concatenate(found)[:limit] if found else np.empty((0, 2), np.int64)


def groups(pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the group of each image, int64 (N,): the index of its first. Most images are a group of their own.

    `pixels` is uint8 (N, height, width, 3) RGB, `targets` (N,) are classes. Images of one class that are equal or
    nearly the same are of one group, and so are those that are like a third: a split puts all on one
    side. Time grows with the square of the images of a class.
    """
    thumbnails = np.empty((len(pixels), *THUMBNAIL_SHAPE, 3), np.uint8)
    for index, image in enumerate(pixels):
        thumbnails[index] = frame(image, THUMBNAIL_SHAPE, 1.0, "squash")
    group = np.arange(len(pixels))
    for target in np.unique(targets):
        mine = np.flatnonzero(targets == target)
        group[mine] = mine[_groups_of_one(pixels, mine, thumbnails[mine])]
    return group


def _groups_of_one(pixels: np.ndarray, mine: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """As `groups`, of the images `mine` (K,) of one class: int64 (K,), positions in `mine`."""
    hashes, looks = difference_hashes(thumbnails), _looks(thumbnails)
    is_rich = looks.any(axis=1)
    rich = np.flatnonzero(is_rich)
    hashes, looks = hashes[rich], looks[rich]
    group = np.arange(len(mine))
    for pairs in _candidates(hashes):
        # In a film nearly all pairs are alike, and joined already.
        apart = pairs[group[rich[pairs[:, 0]]] != group[rich[pairs[:, 1]]]]
        group = _joined(group, rich[apart[_alike(apart, looks)]])
    # Flat images can only be compared for equality.
    first: dict[bytes, int] = {}
    for position in np.flatnonzero(~is_rich).tolist():
        digest = hashlib.sha256(np.ascontiguousarray(pixels[mine[position]]).data).digest()
        group[position] = first.setdefault(digest, position)
    return group


def _joined(group: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """`group` (N,), each named by its lowest member, after those of each of `pairs` (K, 2) have become one."""
    while len(pairs):
        named = group[pairs]
        pairs, named = pairs[named[:, 0] != named[:, 1]], named[named[:, 0] != named[:, 1]]
        lowest = np.arange(len(group))
        np.minimum.at(lowest, named.max(axis=1), named.min(axis=1))
        while (lowest[lowest] != lowest).any():
            lowest = lowest[lowest]
        group = lowest[group]
    return group


def _candidates(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """All pairs i < j that differ in `MAX_BITS` or less, int64 (K, 2), in order, a block of images at a time."""
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK, np.newaxis]
        near = np.bitwise_count(block ^ hashes[np.newaxis, start:]) <= MAX_BITS
        first, second = np.nonzero(near)
        ahead = first < second
        yield np.stack([first[ahead], second[ahead]], axis=1) + start


def _looks(thumbnails: np.ndarray) -> np.ndarray:
    """Brightness less its mean, over its deviation: float32 (N, fields); zeros for a flat image."""
    values = brightness(thumbnails).reshape(len(thumbnails), FIELDS)
    values -= values.mean(axis=1, keepdims=True)
    deviation = values.std(axis=1, keepdims=True)
    return np.asarray(np.where(deviation < MIN_CONTRAST, 0, values / np.maximum(deviation, MIN_CONTRAST)))


def _alike(pairs: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """Return bool (K,): which of `pairs` (K, 2) correlate."""
    alike = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), SECOND_LOOKS):
        chunk = pairs[start : start + SECOND_LOOKS]
        alike[start : start + SECOND_LOOKS] = (looks[chunk[:, 0]] * looks[chunk[:, 1]]).mean(axis=1) >= MIN_CORRELATION
    return alike
