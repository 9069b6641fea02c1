"""Plain text, such as names of files and classes, for places that read Markdown."""

import re

# An address that Markdown makes a link without any marks; backslashes would break it. It begins a word, has a host with
# a dot, and does not end in a punctuation mark.
_ADDRESS = (
    r"(?<![A-Za-z0-9])https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?(?:/[A-Za-z0-9./_~()%+=&?,;#-]*[A-Za-z0-9/)])?"
)

# A colon begins an icon, an emoji or a color only before such a character; in an address or a sentence it stays.
_SPECIAL = r"[\\`*_\[\]<>$#~|{}!]|:(?=[A-Za-z0-9_+-])"

_ADDRESS_OR_SPECIAL = re.compile(f"({_ADDRESS})|{_SPECIAL}")


def plain(text: str) -> str:
    r"""Return `text` with its brackets, asterisks and such escaped; addresses stay links.

    >>> print(plain("<b>cats</b> [1]: https://example.org/~kriz"))
    \<b\>cats\</b\> \[1\]: https://example.org/~kriz
    """
    return _ADDRESS_OR_SPECIAL.sub(lambda found: found[1] or f"\\{found[0]}", text)


def code(text: str) -> str:
    """Return `text` as code in a line, whatever backticks it has.

    >>> print(code("imgrec predict a``b.jpg"))
    ``` imgrec predict a``b.jpg ```
    """
    fence = "`" * max(2, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {' '.join(text.split())} {fence}"
