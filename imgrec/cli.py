"""The command line: `imgrec models`, `fetch`, `predict`, `train`, `serve`.

Results go to stdout, progress and errors to stderr. Exit code 0: done; 2: the input was wrong (one sentence on
stderr says how); 1: a bug (traceback). What a command needs is imported when it runs, so that `--help` and typing
mistakes cost nothing.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec import __version__
from imgrec.errors import ImageTooLargeError, ImgrecError, InputError
from imgrec.settings import MIB, ROOT, Settings

if TYPE_CHECKING:
    from imgrec.catalogue import ModelSpec
    from imgrec.pool import EnginePool
    from imgrec.preparation import Preparation, Preparations
    from imgrec.questions import Question
    from imgrec.reports import Report

BAD_INPUT = 2

# What a shell says of a program whose reader has gone (128 + SIGPIPE): `imgrec predict … | head`.
READER_GONE = 141

FORMATS = ("table", "json", "csv")

BAR_WIDTH = 24

# How often a line that counts is drawn again.
COUNT_EVERY_S = 0.2

# Pictures that could not be read, named one by one; the summary lists all.
MAX_NAMED_FAILURES = 10

app = typer.Typer(
    help="Compare Keras pretrained image classifiers side by side, and average them.",
    no_args_is_help=True,
    add_completion=False,
    # Rich is slow to import, and a traceback is for those who mend it.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The entry point of the command `imgrec`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal or a file name that is not UTF-8 must not end a command.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="imgrec")
    except ImgrecError as error:
        complain(str(error))
        sys.exit(BAD_INPUT)


@app.callback(invoke_without_command=True)
def imgrec(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        say(__version__)
        raise typer.Exit
    from imgrec import cards

    cards.register(Settings.from_env())


@app.command()
def models(json: Annotated[bool, typer.Option("--json", help="A list of objects, for programs.")] = False) -> None:
    """What there is: bundled, downloaded, missing."""
    from imgrec.catalogue import CATALOGUE
    from imgrec.weights import state_of

    settings = Settings.from_env()
    states = {spec: state_of(spec, settings) for spec in CATALOGUE.values()}
    if json:
        from json import dumps

        from imgrec.questions import describe

        say(dumps([describe(spec, state) for spec, state in states.items()], indent=2))
        return
    say(f"{'model':<24}{'state':<12}{'input':>9}{'parameters':>14}{'size':>11}{'top-1':>8}")
    for spec, state in states.items():
        height, width = spec.input_size
        top1 = "" if spec.published is None else f"{spec.published.top1:.1%}"
        size = f"{spec.weights.size_bytes / MIB:,.0f} MiB"
        say(f"{spec.name:<24}{state:<12}{f'{height}×{width}':>9}{spec.parameters:>14,}{size:>11}{top1:>8}")


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Names as `imgrec models` lists them.")],
) -> None:
    """Download, verify and compile models."""
    from imgrec import weights
    from imgrec.catalogue import get_specs
    from imgrec.preparation import Preparations

    specs = get_specs(names)
    settings = Settings.from_env()
    failures = prepare(specs, Preparations(settings))
    for spec in specs:
        if spec.name not in failures:
            record = weights.get_record(spec, settings)
            if record is not None:
                say(f"{spec.name} is ready: {record.path} (sha256 {record.sha256})")
    if failures:
        raise typer.Exit(BAD_INPUT)


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Files; - for standard input.")],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default up to three that are on this machine.")
    ] = "",
    rule: Annotated[
        str | None, typer.Option(help="mean, geometric_mean, weighted_mean, majority_vote or rank_vote.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of models, such as vgg16=2,mobilenet=0.5; else 1.")] = None,
    top: Annotated[int, typer.Option(help="Classes for each model, 1 to 10.")] = 5,
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
) -> None:
    """Say what is in pictures, model by model and together."""
    from imgrec import reports
    from imgrec.pipeline import open_pool
    from imgrec.preparation import Preparations
    from imgrec.questions import Question, check_budget, get_default_specs, parse_models

    if format not in FORMATS:
        raise InputError(f"Expected the format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}. Received: {format!r}.")
    settings = Settings.from_env()
    specs = parse_models(models) if models.strip(" ,") else get_default_specs(settings)
    question = Question.parse(specs, k=top, rule=rule, framing=framing, weights=weights)

    preparations = Preparations(settings)
    pool = open_pool(settings, preparations)
    check_budget(specs, pool)
    failures = prepare(specs, preparations)
    ready = tuple(spec for spec in specs if spec.name not in failures)
    if not ready:
        raise typer.Exit(BAD_INPUT)
    found: list[Report] = []
    for name in images:
        report = look(name, replace(question, specs=ready), pool, settings.max_upload_bytes)
        if report.error is None:
            missing = tuple(reports.Failure(model, sentence) for model, sentence in failures.items())
            report = replace(report, outcomes=report.outcomes + missing)
        if format == "table":
            say(("\n" if found else "") + reports.to_table([report], question.k))
        found.append(report)
    if format != "table":
        text = reports.to_json(found, question.k) if format == "json" else reports.to_csv(found, question.k)
        say(text.rstrip("\n"))
    # Models of different label spaces stand side by side; that they cannot be one is wrong only where that was asked.
    apart = {report.ensemble.error for report in found if isinstance(report.ensemble, reports.Failure)}
    for sentence in sorted(apart):
        complain(sentence)
    if not all(map(is_whole, found)) or (apart and (rule or weights)):
        raise typer.Exit(BAD_INPUT)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Which network to train, and how.")],
    data: Annotated[
        str, typer.Option(help="cifar10, a folder of class folders, a zip, a tar or an .npz; else the recipe's own.")
    ] = "",
    out: Annotated[str, typer.Option(help="A folder for the run; else a new one under IMGREC_HOME/runs.")] = "",
    name: Annotated[str, typer.Option(help="What the model will be called; else my_ and the recipe's name.")] = "",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the split, the order and the first weights.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run of RECIPE, or the one in --out.")
    ] = False,
) -> None:
    """Train a network of your own; the run is a process by itself, and the finished model joins the catalogue."""
    from pathlib import Path

    from imgrec import learning
    from imgrec.training import runs
    from imgrec.training.recipes import get_recipe

    settings = Settings.from_env()
    wanted = get_recipe(recipe)
    folder = Path(out).expanduser() if out else None
    if resume:
        job = runs.find_unfinished(wanted.name, settings, folder)
        if job.state not in {"queued", "running"}:
            job.resume()
    else:
        if not (data or wanted.dataset):
            raise InputError(f"Expected --data for {wanted.name}, which is made for no known set. Received: none.")
        changed = wanted.changed(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        job = runs.start(changed, data or wanted.dataset or "", settings, seed=seed, name=name or None, folder=folder)
    print(f"{job.title}: run {job.folder}", file=sys.stderr)
    drawn = ""
    try:
        for line in runs.follow(job, learning.status):
            if sys.stderr.isatty():
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            elif line.split(" · ")[0] != drawn:
                # Elsewhere, such as in a log file: one line an epoch.
                print(line, file=sys.stderr, flush=True)
            drawn = line.split(" · ")[0]
    except KeyboardInterrupt:
        job.cancel()
        job.wait(60)
        complain(f"stopped; go on with: imgrec train {wanted.name} --resume" + (f" --out {out}" if out else ""))
        raise typer.Exit(128 + 2) from None
    finally:
        if drawn and sys.stderr.isatty():
            print(file=sys.stderr)
    if job.state != "finished":
        raise InputError(job.error or f"The run is {job.state}; go on with --resume. {job.last_words()}")
    curves = runs.read_curves(job)
    for note in (curves.data or {}).get("notes", []):
        complain(f"left out: {note}")
    say(f"{(curves.finished or {}).get('name')}: {learning.outcome(curves)}")


@app.command()
def evaluate(
    data: Annotated[str, typer.Option(help="cifar10, or a folder, zip, tar or .npz with labelled pictures.")],
    models: Annotated[
        str, typer.Option(help="Names with commas between; by default all on this machine that fit.")
    ] = "",
    out: Annotated[str, typer.Option(help="Folder for summary.json and the answers to each picture.")] = "benchmarks",
    framing: Annotated[str, typer.Option(help="crop (as published accuracies are measured) or squash.")] = "crop",
    per_class: Annotated[int | None, typer.Option(help="Only the first so many pictures of each class.")] = None,
    note: Annotated[str, typer.Option(help="What a reader of the numbers should know about the weights.")] = "",
) -> None:
    """Measure models on labelled pictures; a stopped run goes on where it was."""
    from pathlib import Path

    from imgrec.evaluation import evaluate as measure
    from imgrec.evaluation import get_fitting_specs
    from imgrec.labelled import open_set
    from imgrec.questions import parse_models

    settings = Settings.from_env()
    found = open_set(data, settings, per_class=per_class)
    specs = parse_models(models) if models.strip(" ,") else get_fitting_specs(found, settings)
    limit = "" if per_class is None else f" --per-class {per_class}"
    failed = False
    for spec in specs:
        command = f"imgrec evaluate --data {data}{limit} --models {spec.name} --framing {framing} --out {out}"
        try:
            with count_line(spec.name) as show:
                row = measure(
                    spec, found, settings, Path(out), framing=framing, note=note, command=command, on_progress=show
                )
        except ImgrecError as error:
            complain(f"{spec.name}: {error}")
            failed = True
            continue
        say(
            f"{spec.name:<24}{row['images']:>8,} pictures   top-1 {row['top_1']:.1%} "
            f"({row['top_1_low']:.1%} to {row['top_1_high']:.1%})   {row['latency_p50_ms']:.1f} ms"
        )
        for failure in row["failures"][:MAX_NAMED_FAILURES]:
            complain(f"{failure['id']}: {failure['reason']}")
        if len(row["failures"]) > MAX_NAMED_FAILURES:
            complain(f"and {len(row['failures']) - MAX_NAMED_FAILURES:,} more that could not be read; see the summary")
    if failed:
        raise typer.Exit(BAD_INPUT)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port to listen.")] = 8501,
) -> None:
    """The dashboard and the JSON API, in one process."""
    script = ROOT / "app.py"
    if not script.is_file():
        raise InputError(
            f"Expected the dashboard at {script}. Received: an installation without it; use the repository."
        )
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    if os.name == "nt":  # where exec starts a second process and leaves the terminal to nobody
        raise typer.Exit(subprocess.call(command))
    os.execv(sys.executable, command)  # noqa: S606 (no shell, fixed arguments)


def look(name: str, question: "Question", pool: "EnginePool", max_bytes: int) -> "Report":
    """The report of one picture; one that cannot be used gets its sentence, here and on stderr."""
    from imgrec.questions import answer
    from imgrec.reports import Report

    shown = "standard input" if name == "-" else name
    try:
        return answer(read(name, max_bytes), shown, question, pool, max_bytes=max_bytes)
    except ImgrecError as error:
        complain(f"{shown}: {error}")
        return Report(image=shown, sha256=None, error=str(error))


def read(name: str, max_bytes: int) -> bytes:
    """The bytes of a file, or of standard input for "-"; `InputError` where there are none to be had."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(max_bytes + 1)
            size = len(data)
        else:
            with open(name, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"Expected a picture file. Received: {name}, {error.strerror}.") from error
    if len(data) > max_bytes:
        size_text = f"{size / MIB:,.1f} MiB" if size > max_bytes else "more"
        raise ImageTooLargeError(f"Expected a picture of at most {max_bytes / MIB:,.3g} MiB. Received: {size_text}.")
    return data


def is_whole(report: "Report") -> bool:
    """Whether the picture could be used, and no model failed at it."""
    from imgrec.reports import Failure

    return report.error is None and not any(isinstance(outcome, Failure) for outcome in report.outcomes)


def prepare(specs: "Sequence[ModelSpec]", preparations: "Preparations") -> dict[str, str]:
    """Have each model fetched and compiled, with progress on stderr; the sentence of each that failed."""
    failures: dict[str, str] = {}
    for spec in specs:
        try:
            with progress_line() as show:
                preparations.ensure(spec, show)
        except ImgrecError as error:
            complain(f"{spec.name}: {error}")
            failures[spec.name] = str(error)
    return failures


@contextmanager
def progress_line() -> "Iterator[Callable[[Preparation], None]]":
    """A function that draws how far a preparation is: a bar on a terminal, one line a stage elsewhere."""
    drawn = ""

    def show(preparation: "Preparation") -> None:
        nonlocal drawn
        if preparation.stage not in ("downloading", "converting"):
            return
        line = f"{preparation.model}: {preparation.stage}"
        if sys.stderr.isatty():
            line = f"{line} {preparation.step}"
            if preparation.stage == "downloading":
                line = f"{line}{bar(preparation.done_bytes, preparation.total_bytes)}"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif line != drawn:
            print(line, file=sys.stderr, flush=True)
        drawn = line

    try:
        yield show
    finally:
        if drawn and sys.stderr.isatty():
            print(file=sys.stderr)


@contextmanager
def count_line(title: str) -> "Iterator[Callable[[int, int], None]]":
    """A function that draws how many of how many are done, and when they will be; on a terminal only."""
    import time

    start, first, drawn = time.monotonic(), 0, 0.0

    def show(done: int, count: int) -> None:
        nonlocal first, drawn
        now = time.monotonic()
        first = first or done  # what an earlier run has done took no time now
        if not sys.stderr.isatty() or (now - drawn < COUNT_EVERY_S and done < count):
            return
        drawn = now
        left = (now - start) / max(done - first, 1) * (count - done)
        filled = int(done / count * BAR_WIDTH)
        line = f"{title}: [{'█' * filled}{'·' * (BAR_WIDTH - filled)}] {done:,} of {count:,}, {left:.0f} s left"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if drawn:
            print(file=sys.stderr)


def bar(done_bytes: int, total_bytes: int | None) -> str:
    """A progress bar with figures.

    >>> bar(5 * MIB, 20 * MIB)
    '[██████··················]  25 % of 20.0 MiB'
    """
    if not total_bytes:
        return f"{done_bytes / MIB:.1f} MiB"
    share = min(1.0, done_bytes / total_bytes)
    filled = int(share * BAR_WIDTH)
    return f"[{'█' * filled}{'·' * (BAR_WIDTH - filled)}] {share:>4.0%} of {total_bytes / MIB:.1f} MiB".replace(
        "%", " %"
    )


def say(text: str) -> None:
    """A result, to stdout; ends the command quietly when nobody reads any more."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(READER_GONE) from None


def complain(sentence: str) -> None:
    """What went wrong, to stderr."""
    print(f"imgrec: {sentence}", file=sys.stderr)
