"""The documents show the help that the commands have."""

import pytest

from imgrec.cli import COMMANDS
from tests.cli import help_blocks


@pytest.mark.parametrize("path", help_blocks.documents(), ids=lambda path: path.name)
def test_the_help_in_the_documents_is_that_of_the_commands(path: object) -> None:
    assert path.read_text(encoding="utf-8") == help_blocks.documents()[path], "`make fix` writes it anew"


def test_the_readme_lists_every_command() -> None:
    (found,) = help_blocks.BLOCK.finditer(help_blocks.README.read_text(encoding="utf-8"))
    assert all(f"  {function.__name__} " in found[0] for function in COMMANDS)
    assert help_blocks.renewed(found[0].replace("serve", "swerve")) == found[0]
