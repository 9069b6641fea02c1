"""Thousands of odd images through the API, three times: memory, time, errors, and what was refused without need.

    python -m tests.reliability.image_corpus [--url URL] [--count 3000] [--runs 3] [--folder FOLDER ...]

`--folder` adds the files of a folder, such as the test images of a decoder's source package. A server at `--url` must
run on this machine, for its memory.
"""

import argparse
import io
import json
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pillow_heif
import psutil
from PIL import Image

from imgrec.images import formats
from imgrec.settings import MIB
from tests.reliability.attacked_server import attacked
from tests.reliability.odd_images import odd_images

# After this time without requests the memory counts; freed memory goes back to the system until then.
PAUSE_S = 10.0

# Senders at once; an image is decoded during the inference of another.
CLIENTS = 4

MAX_GROWTH_MIB = 100
# Between the second run and the last one: what the allocators keep differs by chance.
MAX_DRIFT_MIB = 25
MAX_ANSWER_S = 1.0
MAX_REFUSED_SHARE = 1 / 1_000

# What a demo takes; of a larger body the server reads a part, answers, and closes the connection.
MAX_FILE_BYTES = 8 * MIB

# What is left to send where the server is busy.
TRIES = 20


def find_process(url: str) -> psutil.Process:
    """Return the process that listens at `url`."""
    port = urllib.parse.urlsplit(url).port
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid is not None:
            return psutil.Process(one.pid)
    raise RuntimeError(f"Expected a server on this machine. Received: {url}.")


def send(url: str, data: bytes) -> tuple[int, str, float]:
    """Post an image; return the status, the sentence of an error, and the seconds."""
    request = urllib.request.Request(f"{url}/api/v1/predict", data, {"Content-Type": "application/octet-stream"})
    for _ in range(TRIES):
        start = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                answer.read()
                return answer.status, "", time.monotonic() - start
        except urllib.error.HTTPError as error:
            sentence = json.loads(error.read() or b"{}").get("detail", "")
            if error.code not in {429, 503}:
                return error.code, str(sentence), time.monotonic() - start
            time.sleep(1)
        except (ConnectionError, urllib.error.URLError):  # an answer before the body was sent whole
            return 0, "", time.monotonic() - start
    return 503, "busy", 0.0


def pillow_opens(data: bytes) -> bool:
    """Whether Pillow reads the whole image, in one of the formats that imgrec takes."""
    if formats.identify(data) is None:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            Image.open(io.BytesIO(data)).load()
    except Exception:  # anything, as decoders of damaged files do
        return False
    return True


def run(url: str, files: list[bytes], log: Path | None, runs: int) -> dict[str, object]:
    """Send all files `runs` times; return the figures."""
    pillow_heif.register_heif_opener()
    process = find_process(url)
    time.sleep(PAUSE_S)
    memory_mib = [process.memory_info().rss / MIB]
    answers: list[tuple[int, str, float]] = []
    for _ in range(runs):
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(partial(send, url), files))
        time.sleep(PAUSE_S)
        memory_mib.append(process.memory_info().rss / MIB)
        print([round(value) for value in memory_mib], "MiB", file=sys.stderr)
    opened = [pillow_opens(data) for data in files]
    refused = sorted(
        sentence for (status, sentence, _), opens in zip(answers, opened, strict=True) if opens and status != 200
    )
    bombs = [sentence for sentence in refused if "limit is" in sentence]
    return {
        "files": len(files),
        "memory_mib": [round(value) for value in memory_mib],
        "longest_answer_s": round(max(seconds for _, _, seconds in answers), 2),
        "statuses": {str(code): sum(status == code for status, _, _ in answers) for code, _, _ in answers},
        "opened_by_pillow": sum(opened),
        "refused_though_pillow_opens": sorted(set(refused)),
        "refused": len(refused) - len(bombs),
        "refused_by_a_limit": len(bombs),
        "tracebacks": log.read_text(errors="replace").count("Traceback (most recent call last)") if log else None,
        "processes_left": len(process.children()),
    }


def broken_limits(found: dict[str, object]) -> list[str]:
    """Return a sentence for each limit that `found` breaks; times are not judged, as they depend on the machine."""
    memory = found["memory_mib"]
    if not isinstance(memory, list):
        raise TypeError("Expected a list of memory.")
    idle, last = memory[0], memory[-1]
    sentences = []
    if last > idle + MAX_GROWTH_MIB:
        sentences.append(f"memory grew by {last - idle} MiB; the limit is {MAX_GROWTH_MIB}")
    if len(memory) > 3 and last > memory[2] + MAX_DRIFT_MIB:
        sentences.append(f"memory grew by {last - memory[2]} MiB since the second run; the limit is {MAX_DRIFT_MIB}")
    if int(str(found["refused"])) > MAX_REFUSED_SHARE * int(str(found["opened_by_pillow"])):
        sentences.append(f"{found['refused']} files refused that Pillow opens")
    if found["tracebacks"]:
        sentences.append(f"{found['tracebacks']} tracebacks")
    statuses = found["statuses"]
    if isinstance(statuses, dict) and statuses.get("500"):
        sentences.append(f"{statuses['500']} answers 500")
    return sentences


def main() -> None:
    """Run the attack, print its figures, and exit with 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, action="append", default=[])
    options = parser.parse_args()
    with warnings.catch_warnings(action="ignore"):  # Pillow has one for each odd tag
        files = [data for data in odd_images(options.count, options.folder) if len(data) <= MAX_FILE_BYTES]
    with tempfile.TemporaryDirectory() as folder:
        log = None if options.url else Path(folder) / "server.log"
        with attacked(options.url, log) as url:
            found = run(url, files, log, options.runs)
    found["broken"] = broken_limits(found)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    sys.exit(bool(found["broken"]))


if __name__ == "__main__":
    main()
