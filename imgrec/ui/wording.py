"""Text of other people's making, such as names of files and classes, for places that read Markdown."""

import re

# A colon begins an icon, an emoji or a colour only before such a character; in an address or a sentence it stays.
_SPECIAL = re.compile(r"[\\`*_\[\]<>$#~|{}()!]|:(?=[A-Za-z0-9_+-])")


def plain(text: str) -> str:
    """`text` as it is: Streamlit would read its brackets and asterisks as Markdown.

    >>> plain("<b>cats</b> [1]: https://example.org")
    '\\\\<b\\\\>cats\\\\</b\\\\> \\\\[1\\\\]: https://example.org'
    """
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)
