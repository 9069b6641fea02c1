"""Keys of widgets and components whose purpose alone does not tell them apart.

Names of classes, datasets, runs and models are texts of visitors. Streamlit puts keys into ids that it takes apart
again, and into CSS classes: a class called `red__fox` was a page without an end. A key has a digest in place of a text.
"""

import hashlib

_DIGEST_BYTES = 8


def key_of(purpose: str, *parts: object) -> str:
    """Return the key of the widget for `parts`, which may be any text; equal parts, equal key.

    >>> key_of("remove", "red__fox")
    'remove_d028575368db1c68'
    """
    text = "\0".join(f"{len(str(part))}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES)
    return f"{purpose}_{digest.hexdigest()}"
