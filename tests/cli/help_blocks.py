"""The `--help` of the command line in the documents: `python -m tests.cli.help_blocks` writes it anew.

A block begins with the command, `$ imgrec evaluate --help`; what follows is replaced.
"""

import re
from pathlib import Path

import click
import typer

from imgrec.cli import COMMANDS, app
from imgrec.settings import ROOT

README = ROOT / "README.md"
COMMANDS_PAGE = ROOT / "docs" / "commands.md"

WIDTH = 100

BLOCK = re.compile(r"```console\n\$ imgrec ?(\w*) --help\n.*?```", re.DOTALL)


def block(name: str) -> str:
    """The help of a command as a block of Markdown; without a name, that of `imgrec`."""
    root = typer.main.get_command(app)
    assert isinstance(root, click.Group) or hasattr(root, "commands")
    command = root.commands[name] if name else root
    words = " ".join(filter(None, ["imgrec", name]))
    context = type(root).context_class(command, info_name=words, terminal_width=WIDTH, max_content_width=WIDTH)
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    return "\n".join(["```console", f"$ {words} --help", *lines, "```"])


def renewed(text: str) -> str:
    """The document with its blocks as they are now."""
    return BLOCK.sub(lambda found: block(found[1]), text)


def page() -> str:
    """The page of all commands."""
    sections = [f"## imgrec {function.__name__}\n\n{block(function.__name__)}\n" for function in COMMANDS]
    about = "Every command with its options. `make fix` writes this page anew, and a test compares it.\n"
    return "\n".join(["# Commands\n", about, *sections])


def documents() -> dict[Path, str]:
    """File → what it should say."""
    return {README: renewed(README.read_text(encoding="utf-8")), COMMANDS_PAGE: page()}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
