"""A large image decoded in a process of its own, with a limit on memory and time, which gives all of it back.

A process starts in about 0.2 s, little beside the second that such an image takes; one runs at a time. When memory
runs out, the system ends it before the server. Its death is an `ImageError`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from PIL import Image

from imgrec import errors
from imgrec.errors import ImageError, ImageTooLargeError, ImgrecError
from imgrec.images import limits, readers, working_size
from imgrec.settings import MIB, ROOT

# The slowest image within the limits takes about 5 s of one core (50 megapixels of HEIC).
MAX_CPU_S = 40
TIMEOUT_S = 180.0

# What Python and the decoders take beside the pixels: the file itself twice, and threads' stacks.
_OTHER_BYTES = 128 * MIB

# The longest answer: the pixels, and a line.
_MAX_ANSWER_BYTES = working_size.MAX_KEPT_BYTES + MIB


def read(data: bytes, kind: str, notes: list[str]) -> readers.Pixels:
    """As `readers.read` of the image in `data`, in another process.

    Raises:
        ImageTooLargeError: It takes too much memory or time.
        ImageError: As `readers`, or the decoder crashed.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    too_late = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "imgrec.images.decoder_process", kind, str(limits.MAX_DECODER_BYTES)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as worker:

        def stop() -> None:
            too_late.set()
            worker.kill()

        timer = threading.Timer(TIMEOUT_S, stop)
        timer.daemon = True
        timer.start()
        try:
            if worker.stdin is None or worker.stdout is None:
                raise RuntimeError("Expected a process with pipes.")
            with suppress(BrokenPipeError):  # it ended at once
                worker.stdin.write(data)
                worker.stdin.close()
            answer = worker.stdout.read(_MAX_ANSWER_BYTES)
        finally:
            timer.cancel()
            worker.kill()
    head, _, pixels = answer.partition(b"\n")
    if too_late.is_set() or worker.returncode == -getattr(signal, "SIGXCPU", 0):
        limit_s = TIMEOUT_S if too_late.is_set() else MAX_CPU_S
        raise ImageTooLargeError(f"The {kind} takes longer than {limit_s:.0f} s to decode. Use a smaller image.")
    return _parsed(head, pixels, kind, notes)


def _parsed(head: bytes, pixels: bytes, kind: str, notes: list[str]) -> readers.Pixels:
    try:
        told = json.loads(head)
        if "error" in told:
            known = getattr(errors, str(told["error"]), ImageError)
            raise (known if issubclass(known, ImageError) else ImageError)(str(told["message"]))
        parts = []
        for width, height in told["sizes"]:
            parts.append(Image.frombytes("RGB", (width, height), pixels[: 3 * width * height]))
            pixels = pixels[3 * width * height :]
        size_px = (int(told["size_px"][0]), int(told["size_px"][1]))
        notes += map(str, told["notes"])
        return readers.Pixels(parts, size_px, int(told["orientation"]))
    except (ValueError, KeyError, TypeError) as error:  # it died before the answer was whole
        raise ImageTooLargeError(
            f"The decoder of the {kind} ended early, most likely because it needs more memory than "
            f"{limits.MAX_DECODER_BYTES / MIB:,.0f} MiB, the limit. Use a smaller image."
        ) from error


def _serve(kind: str, max_bytes: int) -> None:
    """Read an image from stdin, and write the answer to stdout: a line of JSON, then the pixels or nothing."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print; only the answer goes to the pipe
    data = sys.stdin.buffer.read()
    _limit_memory(max_bytes + _OTHER_BYTES)
    notes: list[str] = []
    try:
        found = readers.read(readers.open_image(data, kind), notes)
        told: dict[str, object] = {
            "sizes": [part.size for part in found.parts],
            "size_px": found.size_px,
            "notes": notes,
        }
        told |= {"orientation": found.orientation}
        pixels = [part.tobytes() for part in found.parts]
    except ImgrecError as error:
        told, pixels = {"error": type(error).__name__, "message": str(error)}, []
    except Exception:  # Decoders of damaged files raise anything; a failed allocation is any of it too.
        sentence = (
            f"The {kind} is incomplete, damaged, or takes more than {max_bytes / MIB:,.0f} MiB, the limit, to decode."
        )
        told, pixels = {"error": ImageError.__name__, "message": sentence}, []
    with suppress(BrokenPipeError), answers:
        answers.write(json.dumps(told).encode() + b"\n")
        answers.writelines(pixels)


def _limit_memory(max_bytes: int) -> None:
    """Let this process take `max_bytes` beside what it has, and be the first to end when memory runs out."""
    with suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(ImportError, OSError, ValueError):
        import resource

        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        taken = int(status["VmData"].split()[0]) * 1024
        limit = taken + max_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S + 1))


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
