"""Text of other people's making, such as names of files and classes, for places that read Markdown."""

import re

# An address, as far as Markdown takes it for a link by itself and leaves it alone: what is in it would be broken by
# backslashes. It begins a word, has a host with a dot, and ends in what no sentence ends in.
_ADDRESS = (
    r"(?<![A-Za-z0-9])https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?(?:/[A-Za-z0-9./_~()%+=&?,;#-]*[A-Za-z0-9/)])?"
)

# A colon begins an icon, an emoji or a color only before such a character; in an address or a sentence it stays.
_SPECIAL = r"[\\`*_\[\]<>$#~|{}!]|:(?=[A-Za-z0-9_+-])"

_ADDRESS_OR_SPECIAL = re.compile(f"({_ADDRESS})|{_SPECIAL}")


def plain(text: str) -> str:
    """`text` as it is: Streamlit would read its brackets and asterisks as Markdown. Addresses are links.

    >>> plain("<b>cats</b> [1]: https://example.org/~kriz")
    '\\\\<b\\\\>cats\\\\</b\\\\> \\\\[1\\\\]: https://example.org/~kriz'
    """
    return _ADDRESS_OR_SPECIAL.sub(lambda found: found[1] or f"\\{found[0]}", text)
