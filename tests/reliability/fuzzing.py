"""Mutated images and archives, for as long as wanted: an answer or a sentence, nothing else.

    python -m tests.reliability.fuzzing decode|archives [--seconds 600] [--atheris]

Hypothesis makes the mutations, and shrinks what fails; with `--atheris` (`pip install atheris`), libFuzzer follows the
branches that a file takes in Python.
"""

import argparse
import functools
import io
import json
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pillow_heif
from hypothesis import strategies as st
from PIL import Image

from imgrec.data import archives
from imgrec.errors import ImageError, InputError
from imgrec.images.decoding import decode
from imgrec.settings import MIB

MAX_BYTES = 8 * MIB

# Examples of one round of Hypothesis, each from a seed of its own.
ROUND = 500

PACKINGS = ("w", "w:gz", "w:bz2", "w:xz")


@functools.cache
def images() -> tuple[bytes, ...]:
    """Return a small image of each format, and animations."""
    scene = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
    frames: dict[str, object] = {"save_all": True, "append_images": [scene.transpose(Image.Transpose.ROTATE_180)]}
    exif = Image.Exif()
    exif[0x0112] = 6
    found = []
    for kind, options in [
        *(("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("PNG", {"exif": exif}), ("PNG", frames)),
        *(("WEBP", {}), ("WEBP", frames), ("GIF", frames), ("BMP", {}), ("TIFF", {"compression": "tiff_lzw"})),
        *(("TIFF", frames), ("AVIF", {"speed": 10}), ("MPO", frames)),
    ]:
        file = io.BytesIO()
        scene.save(file, kind, **options)
        found.append(file.getvalue())
    file = io.BytesIO()
    pillow_heif.from_pillow(scene).save(file)
    return (*found, file.getvalue())


@functools.cache
def packed() -> tuple[bytes, ...]:
    """Return a small archive of each kind."""
    members = {"cat/1.png": b"x" * 900, "cat/ü.png": bytes(range(256)), "dog/": b"", "../1.png": b"out"}
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        found.append(file.getvalue())
    for mode in PACKINGS:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]  # a mode as text
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
                archive.addfile(member, io.BytesIO(data))
        found.append(file.getvalue())
    return tuple(found)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Draw one of `seeds` with one to eight changes, half of them where the headers stand."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, min(draw(st.sampled_from([64, len(data)])), len(data))))
        change = draw(st.sampled_from(["set", "number", "insert", "repeat", "delete", "cut"]))
        if change == "set":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
        elif change == "number":  # sizes and offsets, at their ends
            number = draw(st.sampled_from([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
            width = draw(st.sampled_from([1, 2, 4]))
            number &= (1 << 8 * width) - 1
            data[at : at + width] = number.to_bytes(width, "big" if draw(st.booleans()) else "little")
        elif change == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        elif change == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 64))] * draw(st.integers(1, 50))
        elif change == "delete":
            del data[at : at + draw(st.integers(1, 64))]
        else:
            del data[at:]
    return bytes(data)


def check_decode(data: bytes) -> None:
    """Decode `data`; only an `ImageError` with a sentence may come out."""
    sentence = "An image."
    try:
        assert decode(data, max_bytes=MAX_BYTES).pixels.size > 0
    except ImageError as error:
        sentence = str(error)
    assert sentence.endswith("."), sentence


def check_archive(data: bytes) -> None:
    """Read `data` as an archive; only an `InputError` may come out, and no file of another name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive"
        path.write_bytes(data)
        try:
            names = archives.survey(path).names
            for name, content in archives.files(path, max_bytes=MIB):
                assert name in names
                assert not name.is_absolute()
                assert ".." not in name.parts
                assert len(content) <= MIB + 1
        except InputError:
            pass


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], tuple[bytes, ...]]]] = {
    "decode": (check_decode, images),
    "archives": (check_archive, packed),
}


def fuzz(target: str, seconds: float) -> dict[str, object]:
    """Run Hypothesis for `seconds`; return how many files were tried, and the longest time of one."""
    check, seeds = TARGETS[target]
    end, count, longest_s = time.monotonic() + seconds, 0, 0.0

    def timed(data: bytes) -> None:
        nonlocal count, longest_s
        start = time.monotonic()
        check(data)
        count, longest_s = count + 1, max(longest_s, time.monotonic() - start)

    number = 0
    while time.monotonic() < end:
        number += 1
        options = hypothesis.settings(
            max_examples=ROUND, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        hypothesis.seed(number)(options(hypothesis.given(data=mutated(seeds()))(timed)))()
    return {"target": target, "files": count, "longest_s": round(longest_s, 2)}


def fuzz_with_atheris(target: str, seconds: float) -> None:
    """Run libFuzzer for `seconds`, which ends this process."""
    import atheris

    check, seeds = TARGETS[target]
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(data)
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds:.0f}", "-max_len=65536"], check)
        atheris.Fuzz()


def main() -> None:
    """Fuzz one target and print the figures; a failure is raised, with the smallest file that causes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args()
    if options.atheris:
        fuzz_with_atheris(options.target, options.seconds)
    else:
        print(json.dumps(fuzz(options.target, options.seconds)))


if __name__ == "__main__":
    main()
