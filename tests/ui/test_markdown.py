"""Text of other people's making: no markup comes through, and addresses stay whole."""

import pytest

from imgrec.ui.markdown import plain


@pytest.mark.parametrize(
    "address",
    [
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://example.org/a_b_c/d.h5?download=1&x=~a#part_2",
        "https://en.wikipedia.org/wiki/Horse_(disambiguation)",
        "http://127.0.0.1:8501/a_b",
    ],
)
@pytest.mark.parametrize("text", ["fetch {}; then go on", "({}).", "{}"])
def test_an_address_stays_as_it_is(text: str, address: str) -> None:
    assert plain(text.format(address)) == text.format(address)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](javascript:alert(1))", r"\[x\](javascript\:alert(1))"),
        ("https://example.org/a](javascript:x)", r"https://example.org/a\](javascript\:x)"),
        ("[x](https://example.org/a_b)", r"\[x\](https://example.org/a_b)"),
        ("<https://example.org/><b>", r"\<https://example.org/\>\<b\>"),
        ("https://example.org/*a* `b` $c$", r"https://example.org/\*a\* \`b\` \$c\$"),
        ("xhttps://example.org/_a_", r"xhttps://example.org/\_a\_"),
        ("https://_a_/~b~", r"https://\_a\_/\~b\~"),
        ("https:// ~a~ :red[b]", r"https:// \~a\~ \:red\[b\]"),
    ],
)
def test_no_markup_comes_through(text: str, shown: str) -> None:
    assert plain(text) == shown
