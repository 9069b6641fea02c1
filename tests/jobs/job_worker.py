"""A worker for the tests of jobs: counts, and goes on from where the last one was."""

import sys
import time
from pathlib import Path

from imgrec.errors import InputError
from imgrec.jobs import Worker, work


def count(worker: Worker) -> None:
    configuration = worker.job.configuration
    if configuration.get("refuse"):
        raise InputError("Expected more. Received: less.")
    if configuration.get("bug"):
        print(1 / 0)
    done = [event["number"] for event in worker.job.progress()[0] if event["event"] == "count"]
    for number in range(len(done) + 1, configuration["to"] + 1):
        worker.check()
        worker.tell("count", number=number)
        time.sleep(configuration.get("pause_s", 0))


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1]), count))
