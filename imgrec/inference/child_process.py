"""A request to a child process, and its answers as JSON lines.

For work of seconds to minutes whose caller waits (converting, exporting): its runtimes must not be loaded here, and may
take more memory than there is. The child process ends with its parent. Work that must survive the parent is a job.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from imgrec import errors
from imgrec.settings import MIB, ROOT

# The end of the worker's output that is kept for an error's sentence.
LAST_WORDS_CHARACTERS = 600

# Exit codes of a process that the kernel killed, as Python and as shells count them.
_KILLED = (-9, 137)
_OUT_OF_TIME = (-24, 152)

Tell = Callable[..., None]


def ask(
    words: Sequence[str],
    request: Mapping[str, object],
    *,
    backend: str,
    timeout_s: float,
    purpose: str,
    memory_bytes: int,
    last_key: str,
    on_answer: Callable[[dict[str, object]], None],
) -> dict[str, object]:
    """Run `python *words` with Keras on `backend`, and return its last answer.

    Args:
        words: The arguments of Python.
        request: JSON values for the worker.
        backend: Keras' backend in the worker.
        timeout_s: The worker is killed after so many seconds.
        purpose: What is expected, for the sentence of an error: "vgg16 to be converted".
        memory_bytes: About what the worker takes, for the sentence when memory ran out.
        last_key: A key that only the last answer has.
        on_answer: Called with each answer as it comes; what it raises ends the worker.

    Raises:
        ConversionError: The worker ended in another way than with its last answer and exit code 0, or too late.
        ImgrecError: As the worker raised it.
    """
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    expected, give_up_at = f"Expected {purpose}. Received:", time.monotonic() + timeout_s
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
        timer = threading.Timer(timeout_s, worker.kill)
        timer.daemon = True  # the end of this process ends the worker; the timer need not be waited for
        timer.start()
        try:
            for answer in _converse(worker, request):
                on_answer(answer)
            code = worker.wait()  # with its stdin open, whose end would end it early
        except BaseException:
            worker.kill()
            raise
        finally:
            timer.cancel()
        if code == 0 and "error" in answer:
            raise getattr(errors, str(answer["error"]), errors.ConversionError)(str(answer["message"]))
        if code == 0 and last_key in answer:
            return answer
        if code in _OUT_OF_TIME:
            raise errors.ConversionError(f"{expected} nothing within its share of processor time.")
        if code in _KILLED and time.monotonic() < give_up_at:
            reason = "the worker was killed by the system, most likely because memory ran out"
            raise errors.ConversionError(f"{expected} {reason}; it takes about {memory_bytes / MIB:,.0f} MiB")
        reason = (
            f"nothing within {timeout_s / 60:.0f} minutes" if code in _KILLED else f"a worker with exit code {code}"
        )
        stderr.seek(0)
        lines = stderr.read().decode(errors="replace").strip().splitlines()
        last_words = "\n".join(lines[-8:])[-LAST_WORDS_CHARACTERS:]
        raise errors.ConversionError(f"{expected} {reason}" + (last_words and f". Its last words: {last_words}"))


def _converse(worker: "subprocess.Popen[str]", request: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Send the request, and yield each answer, until the worker closes its output."""
    if worker.stdin is None or worker.stdout is None:
        raise RuntimeError("Expected a process with pipes.")
    with suppress(BrokenPipeError):  # it ended at once; its exit code and output have the reason
        # Left open: the worker ends when it is closed.
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
    for line in worker.stdout:
        with suppress(ValueError):  # the half line of a worker that was killed
            yield json.loads(line)


def serve(do: Callable[[dict[str, object], Tell], None]) -> None:
    """Run in the worker: read one request from stdin, write the answers or the error of `do` to stdout, and exit."""
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


def limit(memory_bytes: int, processor_s: float | None = None, written_bytes: int | None = None) -> None:
    """Run in the worker: fail on more than so much memory besides what it has, and end after so much processor time.

    `written_bytes` is the size that no file of it may exceed. Only on Linux, whose kernel counts what a process has
    allocated.
    """
    if sys.platform != "linux":
        return
    import resource

    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    held = int(status["VmData"].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (held + memory_bytes, held + memory_bytes))
    if processor_s is not None:
        seconds = math.ceil(time.process_time() + processor_s)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if written_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """Exit when the parent closes stdin, also by being killed."""
    # Not `sys.stdin`, whose lock a daemon thread would hold while the interpreter ends.
    while os.read(0, 1024):
        pass
    os._exit(1)
