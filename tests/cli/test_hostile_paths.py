"""Every command with paths and words that mean harm: exit code 2 and a sentence, in time, and no file elsewhere."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_cli import Run, environment, imgrec  # noqa: F401 (fixtures)
from tests.inference.test_request import image
from tests.reliability.hostile_names import MARK, NAMES

# What each command does with a path; {} is the path.
COMMANDS = {
    "predict": ("predict", "{}", "--models", "mobilenet"),
    "predict --classes": ("predict", "cat.png", "--models", "mobilenet", "--classes", "{}.json"),
    "explain": ("explain", "{}", "--models", "mobilenet"),
    "sheet": ("sheet", "{}", "--models", "mobilenet"),
    "doctor": ("doctor", "--data", "{}"),
    "compare": ("compare", "mobilenet", "mobilenet_v2", "--data", "{}"),
    "evaluate": ("evaluate", "--data", "{}", "--models", "mobilenet"),
    "train": ("train", "tiny_cnn", "--data", "{}"),
    "train a recipe": ("train", "{}.json"),
    "protocol": ("protocol", "pb3", "--data", "{}", "--second", "mobilenet"),
    "tune": ("tune", "six_layers", "--data", "{}"),
}

KINDS = ("pipe", "socket", "device", "endless device", "folder that is closed", "loop of links", "no such user", "long")


def made(kind: str, folder: Path) -> str:
    place = folder / "it"
    match kind:
        case "pipe":
            os.mkfifo(place)
            os.mkfifo(f"{place}.json")
        case "socket":
            with socket.socket(socket.AF_UNIX) as opened:
                opened.bind("it")
            place.with_suffix(".json").symlink_to(place)
        case "device" | "endless device":
            place.symlink_to("/dev/tty" if kind == "device" else "/dev/zero")
            place.with_suffix(".json").symlink_to(place)
        case "loop of links":
            place.symlink_to(place)
            place.with_suffix(".json").symlink_to(place)
        case "no such user":
            return "~nobody-has-this-name/it"
        case "long":
            return "/".join(["a" * 200] * 25)
        case _:
            place.mkdir(mode=0)
            return "it/inside"
    return str(place)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_refused_at_once(
    kind: str,
    imgrec: Callable[..., Run],  # noqa: F811
    environment: Path,  # noqa: F811
) -> None:
    (environment / "cat.png").write_bytes(image())
    path = made(kind, environment)
    for name, words in COMMANDS.items():
        run = imgrec(*(word.format(path) for word in words))
        assert run.code == 2, (name, run)
        said = run.err.strip().splitlines()
        assert any("Expected" in line for line in said), (name, said)
        assert "Traceback" not in run.err


@pytest.mark.timeout(120)
def test_every_argument_may_be_anything(imgrec: Callable[..., Run], environment: Path) -> None:  # noqa: F811
    """The operating system ends an argument at a NUL; a test can hand one on, as a library would."""
    (environment / "cat.png").write_bytes(image())
    before = set(environment.iterdir())
    for trick, name in NAMES.items():
        if name.startswith("--"):
            continue  # an option is an option
        for words in (
            ("predict", name or " ", "--models", "mobilenet"),
            ("predict", "cat.png", "--models", name or ","),
            ("predict", "cat.png", "--models", "mobilenet", "--classes", name),
            ("predict", "cat.png", "--models", "mobilenet", "--rule", name or " "),
            ("sheet", name or " ", "--models", "mobilenet"),
            ("explain", name or " ", "--models", "mobilenet"),
            ("export", name or " "),
            ("train", name or " "),
            ("train", "tiny_cnn", "--name", name or " ", "--data", "."),
            ("evaluate", "--data", name or " ", "--models", "mobilenet"),
            ("doctor", "--data", name or " "),
            ("compare", "mobilenet", "mobilenet_v2", "--data", name or " "),
            ("predict", f"{name}*", "--models", "mobilenet"),
        ):
            run = imgrec(*words)
            assert run.code in (0, 2), (trick, words, run)
            assert "Traceback" not in run.err, (trick, words)
            assert "\x1b" not in run.out + run.err, (trick, words)
            assert "\x9b" not in run.out + run.err, (trick, words)
    left = {path.name for path in set(environment.iterdir()) - before}
    assert left <= {"home", "keras", "bundled"}
    assert not (environment / MARK).exists()
