"""A request to a child process, and its answers as JSON lines.

For work of seconds to minutes whose caller waits (converting, exporting): its runtimes must not be loaded here, and may
take more memory than there is. The child process ends with its parent. Work that must survive the parent is a job.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO

from imgrec import errors
from imgrec.settings import ROOT

# The worker's last words that are kept for an error's sentence.
LAST_WORDS_CHARACTERS = 600

# What the kernel's killer leaves, as Python and as shells count it.
_KILLED = (-9, 137)

OnAnswer = Callable[[dict[str, object]], None]
Tell = Callable[..., None]


class WorkerError(Exception):
    """The worker ended without an answer; `str(error)` is the reason, as the end of a sentence."""

    def __init__(self, reason: str, *, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.out_of_memory = out_of_memory


def ask(
    words: Sequence[str],
    request: Mapping[str, object],
    *,
    backend: str,
    timeout_s: float,
    on_answer: OnAnswer | None = None,
) -> dict[str, object]:
    """Run `python *words` with Keras on `backend`, and return the last answer to `request`.

    `on_answer` gets each answer as it comes; what it raises ends the worker. Raises the `ImgrecError` that the
    worker raised, and `WorkerError` when it ends in any other way than with an answer and exit code 0, or not within
    `timeout_s`.
    """
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    timed_out = threading.Event()
    answer: dict[str, object] = {}
    with (
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(
            [sys.executable, *words],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as worker,
    ):

        def time_out() -> None:
            timed_out.set()
            worker.kill()

        timer = threading.Timer(timeout_s, time_out)
        timer.daemon = True  # the end of this process is the worker's, which needs no waiting for
        timer.start()
        try:
            for answer in _converse(worker, request):
                if on_answer is not None:
                    on_answer(answer)
            worker.wait()  # with its stdin open, whose end would end it early
        except BaseException:
            worker.kill()
            raise
        finally:
            timer.cancel()
        if worker.returncode == 0 and "error" in answer:
            kind = getattr(errors, str(answer["error"]), errors.ConversionError)
            raise kind(str(answer["message"]))
        if worker.returncode == 0 and answer:
            return answer
        if timed_out.is_set():
            raise WorkerError(f"nothing within {timeout_s / 60:.0f} minutes. {_last_words(stderr)}".strip())
        if worker.returncode in _KILLED:
            raise WorkerError(
                "the worker was killed by the system, most likely because memory ran out", out_of_memory=True
            )
        raise WorkerError(f"the worker ended with exit code {worker.returncode}. {_last_words(stderr)}".strip())


def _converse(worker: "subprocess.Popen[str]", request: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Send the request, and yield each answer, until the worker closes its output."""
    if worker.stdin is None or worker.stdout is None:
        raise WorkerError("one without pipes")
    with suppress(BrokenPipeError):  # it ended at once; its exit code and output have the reason
        # Left open: the worker ends when it is closed.
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
    for line in worker.stdout:
        with suppress(ValueError):  # the half line of a worker that was killed
            yield json.loads(line)


def _last_words(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    lines = stderr.read().decode(errors="replace").strip().splitlines()
    words = "\n".join(lines[-8:])[-LAST_WORDS_CHARACTERS:]
    return f"Its last words: {words}" if words else ""


# ── The worker's side ─────────────────────────────────────────────────────────────────────────────────────────────


def serve(do: Callable[[dict[str, object], Tell], None]) -> None:
    """Run the worker: read one request from stdin, write the answers or the error of `do` to stdout, and exit."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print; only answers go to the pipe

    def tell(**answer: object) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        do(request, tell)
    except errors.ImgrecError as error:
        tell(error=type(error).__name__, message=str(error))
    # At once: when `answers` closed first, the parent would close its side, and `_end_with_parent` exit with 1.
    os._exit(0)


def _end_with_parent() -> None:
    """Exit when the parent closes stdin, also by being killed."""
    # Not `sys.stdin`, whose lock a daemon thread would hold while the interpreter ends.
    while os.read(0, 1024):
        pass
    os._exit(1)
