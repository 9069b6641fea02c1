"""Images to send: those that come with imgrec."""

from imgrec.images import gallery


def photograph() -> bytes:
    """Return the file of a sample image."""
    return gallery.get_samples()[0].path.read_bytes()
