"""Jobs: states, the log, canceling, the queue, and workers that are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest

from imgrec import jobs
from imgrec.errors import BusyError, InputError, StorageError
from imgrec.jobs import Job, Needs, Worker, job_folder, processes
from imgrec.settings import ROOT, Settings

MODULE = "tests.jobs.job_worker"
# A worker that ends is seen at once; how long it takes to start depends on what else runs on the machine.
PATIENCE_S = 60

SMALL = Needs(memory_bytes=1024, cores=0)
ALL_CORES = Needs(memory_bytes=1024, cores=os.cpu_count() or 1)


def start(settings: Settings, needs: Needs = SMALL, **configuration: object) -> Job:
    return jobs.start(MODULE, configuration, settings, title="counting", needs=needs)


def until(condition: object, timeout_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def counted(job: Job) -> list[int]:
    return [event["number"] for event in job.progress()[0] if event["event"] == "count"]


def kill(job: Job) -> None:
    os.kill(json.loads((job.folder / "started.json").read_text())["pid"], signal.SIGKILL)


def test_a_job_runs_and_ends(settings: Settings) -> None:
    job = start(settings, to=3)
    assert job.wait(PATIENCE_S) == "finished"
    assert counted(job) == [1, 2, 3]
    assert job.error is None
    assert [j.name for j in jobs.all_jobs(settings)] == [job.name]
    assert jobs.all_jobs(settings)[0].configuration == {"to": 3}


@pytest.mark.parametrize(
    ("configuration", "sentence"),
    [({"refuse": True}, "Expected more. Received: less."), ({"bug": True}, "unexpectedly: ZeroDivisionError")],
    ids=["an error raised on purpose", "a bug"],
)
def test_a_failed_job_says_why(settings: Settings, configuration: dict[str, object], sentence: str) -> None:
    job = start(settings, **configuration)
    assert job.wait(PATIENCE_S) == "failed"
    assert sentence in str(job.error)


def test_the_log_is_read_on_from_where_one_was(settings: Settings) -> None:
    job = start(settings, to=2)
    job.wait(PATIENCE_S)
    events, offset = job.progress()
    assert job.progress(offset) == ([], offset)
    with (job.folder / "progress.jsonl").open("a") as log:
        log.write('{"event": "half')
    assert job.progress(offset) == ([], offset)
    assert len(events) == 3


def test_a_canceled_job_stops_and_goes_on_when_resumed(settings: Settings) -> None:
    job = start(settings, to=1000, pause_s=0.01)
    until(lambda: len(counted(job)) > 2)
    job.cancel()
    assert job.wait(PATIENCE_S) == "cancelled"
    last = counted(job)[-1]
    (job.folder / "job.json").write_text((job.folder / "job.json").read_text().replace("1000", str(last + 2)))
    job.resume()
    assert job.wait(PATIENCE_S) == "finished"
    assert counted(job) == list(range(1, last + 3))


def test_a_killed_worker_leaves_an_interrupted_job_that_resumes(settings: Settings) -> None:
    job = start(settings, to=40, pause_s=0.02)
    until(lambda: len(counted(job)) > 2)
    with pytest.raises(BusyError):
        job.resume()
    kill(job)
    until(lambda: job.state == "interrupted")
    job.resume()
    assert job.wait(PATIENCE_S) == "finished"
    assert counted(job) == list(range(1, 41))
    with pytest.raises(InputError, match="finished"):
        job.resume()


def test_a_job_goes_on_with_another_configuration(settings: Settings) -> None:
    job = start(settings, to=1000, pause_s=0.01)
    until(lambda: job.state == "running")
    with pytest.raises(BusyError):
        job.resume({"to": 1})
    job.cancel()
    job.wait(PATIENCE_S)
    job.resume({"to": 1})
    assert job.wait(PATIENCE_S) == "finished"
    assert job.configuration == Job(job.folder).configuration == {"to": 1}


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ({"new": "finished", "old": "cancelled"}, "old"),
        ({"new": "failed", "old": "cancelled"}, "old"),
        ({"new": "failed", "old": None}, "old"),
        ({"new": "failed", "old": "failed"}, "new"),
        ({"new": "failed with a checkpoint", "old": "cancelled"}, "new"),
        ({"new": "finished", "old": "finished"}, None),
    ],
    ids=["finished", "failed", "killed", "both failed", "something is kept", "nothing to go on with"],
)
def test_a_job_that_would_fail_again_is_gone_on_with_last(
    tmp_path: Path, ends: dict[str, str | None], found: str | None
) -> None:
    for name, end in ends.items():
        (tmp_path / name).mkdir()
        if end is not None:
            job_folder.write(tmp_path / name / "end.json", {"state": end.split()[0], "error": None})
        if end == "failed with a checkpoint":
            (tmp_path / name / "checkpoint.npz").touch()
    job = jobs.next_to_resume(Job(tmp_path / name) for name in ends)
    assert (job and job.name) == found


@pytest.mark.parametrize(
    ("age_s", "state"),
    [(1, "queued"), (-3600, "queued"), (60, "interrupted")],
    ids=["about to lock it", "the clock was set back", "another process by now"],
)
def test_a_worker_that_starts_is_no_dead_one(tmp_path: Path, age_s: float, state: str) -> None:
    job_folder.write(tmp_path / "started.json", {"pid": os.getpid(), "at": time.time() - age_s})
    (tmp_path / "worker.lock").touch()  # there a moment before it is held
    assert Job(tmp_path).state == state


def test_a_worker_that_its_parent_has_not_waited_for_is_dead(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    job_folder.write(tmp_path / "started.json", {"pid": ended.pid, "at": time.time()})
    try:
        until(lambda: Job(tmp_path).state == "interrupted")
    finally:
        ended.wait()


@pytest.mark.parametrize("hours", [-9000, 9000])
def test_a_jump_of_the_clock_does_not_end_a_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    job = start(settings, to=1000, pause_s=0.01)
    until(lambda: job.state == "running")
    now = time.time()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: now + 3600 * hours)
        assert job.state == "running"
        assert job.settle() == "running"
        before = len(counted(job))
        until(lambda: len(counted(job)) > before)
    job.cancel()
    assert job.wait(PATIENCE_S) == "cancelled"


def test_a_run_can_be_resumed_right_after_a_kill(settings: Settings) -> None:
    job = start(settings, to=40, pause_s=0.02)
    until(lambda: counted(job))
    kill(job)
    assert job.settle() == "interrupted"
    assert job.stopped_because().startswith("The run was interrupted: its process was killed")
    job.resume()
    assert job.wait(PATIENCE_S) == "finished"


def test_the_sentence_about_an_interrupted_run_is_not_the_noise_of_libraries(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("2026-01-01 00:00:00 E external/local_xla: Unable to register cuFFT factory\n")
    sentence = Job(tmp_path).stopped_because()
    assert "cuFFT" not in sentence
    assert str(log) in sentence
    log.write_text("oneDNN custom operations are on\nimgrec: Expected room. Received: none.\nAborted\n")
    assert Job(tmp_path).stopped_because() == "Expected room. Received: none."


def test_an_interrupted_job_can_be_canceled(settings: Settings) -> None:
    job = start(settings, to=1000, pause_s=0.02)
    until(lambda: job.state == "running")
    kill(job)
    until(lambda: job.state == "interrupted")
    job.cancel()
    assert job.state == "cancelled"


def test_a_job_that_finishes_while_it_is_being_canceled_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def is_held(path: Path) -> bool:
        looks.append(path)
        if len(looks) > 1:
            job_folder.write(tmp_path / "end.json", {"state": "finished", "error": None})
        return len(looks) == 1

    monkeypatch.setattr(processes, "is_held", is_held)
    Job(tmp_path).cancel()
    assert (len(looks), Job(tmp_path).state) == (2, "finished")


@pytest.mark.skipif(sys.platform == "win32", reason="there whoever looks must take the lock")
def test_two_that_look_at_a_dead_job_see_it_dead(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "worker.lock"
    assert not processes.is_held(path)
    with filelock.FileLock(path):
        assert processes.is_held(path)
    with path.open("rb") as another:
        fcntl.flock(another, fcntl.LOCK_SH)
        assert not processes.is_held(path)


def test_a_worker_on_a_full_disk_still_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = job_folder.write
    write(tmp_path / "job.json", {"needs": {"memory_bytes": 1, "cores": 0}})

    def full(path: Path, fields: dict[str, object]) -> None:
        if (tmp_path / "reserve").exists():
            raise StorageError("Expected room. Received: none.")
        write(path, fields)

    monkeypatch.setattr(job_folder, "write", full)
    assert jobs.work(tmp_path, lambda _: None) == 2
    assert (Job(tmp_path).state, Job(tmp_path).error) == ("failed", "Expected room. Received: none.")
    assert not (tmp_path / "reserve").exists()


def test_a_worker_without_any_room_tells_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job_folder.write(tmp_path / "job.json", {"needs": {"memory_bytes": 1, "cores": 0}})

    def full(*_: object) -> None:
        raise StorageError("Expected room. Received: none.")

    monkeypatch.setattr(job_folder, "write", full)
    assert jobs.work(tmp_path, lambda _: None) == 2
    assert capsys.readouterr().err == "imgrec: Expected room. Received: none.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_an_event_that_finds_no_room_has_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="room"):
        Worker(tmp_path).tell("count", number=1)


def test_a_worker_outlives_the_process_that_started_it(settings: Settings, tmp_path: Path) -> None:
    code = (
        "import os; from imgrec import jobs; from imgrec.settings import Settings\n"
        f"settings = Settings.from_env({{'IMGREC_HOME': {str(settings.home)!r}}})\n"
        f"jobs.start({MODULE!r}, {{'to': 30, 'pause_s': 0.02}}, settings, title='c', needs=jobs.Needs(1, 0))\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    [job] = jobs.all_jobs(settings)
    assert job.wait(PATIENCE_S) == "finished"
    assert len(counted(job)) == 30


def test_jobs_queue_for_cores_in_the_order_of_their_start(settings: Settings) -> None:
    first = start(settings, ALL_CORES, to=1000, pause_s=0.01)
    until(lambda: first.state == "running")
    second = start(settings, ALL_CORES, to=1)
    third = start(settings, ALL_CORES, to=1)
    until(lambda: any(event["event"] == "queued" for event in third.progress()[0]))
    assert (second.state, third.state) == ("queued", "queued")
    third.cancel()
    assert third.wait(PATIENCE_S) == "cancelled"
    first.cancel()
    assert second.wait(PATIENCE_S) == "finished"


def test_of_two_waiting_jobs_the_older_one_runs_first(settings: Settings) -> None:
    first = start(settings, ALL_CORES, to=1000, pause_s=0.01)
    until(lambda: first.state == "running")
    older, newer = start(settings, ALL_CORES, to=1), start(settings, ALL_CORES, to=1)
    until(lambda: all(any(event["event"] == "queued" for event in job.progress()[0]) for job in (older, newer)))
    first.cancel()
    assert (older.wait(PATIENCE_S), newer.wait(PATIENCE_S)) == ("finished", "finished")
    turns = [job_folder.read(job.folder / "turn.json") or {} for job in (older, newer)]
    assert turns[0]["at"] < turns[1]["at"]


def test_a_job_whose_folder_lies_elsewhere_queues_with_the_others(settings: Settings, tmp_path: Path) -> None:
    home = str(settings.home)
    configuration = {"to": 1000, "pause_s": 0.01, "home": home}
    first = jobs.start(MODULE, configuration, settings, title="c", needs=ALL_CORES, folder=tmp_path / "elsewhere")
    until(lambda: first.state == "running")
    second = start(settings, ALL_CORES, to=1, home=home)
    third = jobs.start(
        MODULE, configuration | {"to": 1}, settings, title="c", needs=ALL_CORES, folder=tmp_path / "a" / "third"
    )
    until(lambda: all(any(event["event"] == "queued" for event in job.progress()[0]) for job in (second, third)))
    assert (second.state, third.state) == ("queued", "queued")
    first.cancel()
    assert (second.wait(PATIENCE_S), third.wait(PATIENCE_S)) == ("finished", "finished")
    assert start(settings, ALL_CORES, to=1, home=home).wait(PATIENCE_S) == "finished"
    assert not list((settings.home / "runs").glob(".elsewhere/*")), "notes of jobs that have ended"


def test_a_job_that_needs_more_than_there_is_runs_alone(settings: Settings) -> None:
    job = start(settings, Needs(memory_bytes=1 << 60, cores=10_000), to=1)
    assert job.wait(PATIENCE_S) == "finished"


def test_a_folder_that_is_there_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there yet"):
        jobs.start(MODULE, {}, settings, title="counting", needs=SMALL, folder=tmp_path)


def test_what_a_job_shall_do_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    fields = {"module": "m", "title": "Mine", "created_at": "2026", "configuration": {}}
    monkeypatch.setattr(job_folder, "read", lambda path: reads.append(path) or fields)
    job = Job(tmp_path)
    assert (job.module, job.title, job.created_at, job.configuration) == ("m", "Mine", "2026", {})
    assert reads == [tmp_path / "job.json"]


def test_a_run_in_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    job_folder.write(tmp_path / "job.json", {"needs": {"memory_bytes": 1, "cores": 0}})
    (tmp_path / "worker.lock").mkdir()  # also where the tests run as root, whom no permission stops
    assert jobs.work(tmp_path, lambda _: None) == 2
    assert "Received: Is a directory" in (Job(tmp_path).error or "")
    with pytest.raises(StorageError, match="Is a directory"):
        Job(tmp_path).resume()
