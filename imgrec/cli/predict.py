"""`imgrec models`, `fetch`, `predict` and `serve`."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.output import BAD_INPUT, complain, progress_line, say
from imgrec.errors import ImageTooLargeError, ImgrecError, InputError
from imgrec.settings import MIB, ROOT, Settings

if TYPE_CHECKING:
    from imgrec.inference.pool import EnginePool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import Question
    from imgrec.models.catalog import ModelSpec
    from imgrec.reports.result import Report

FORMATS = ("table", "json", "csv")


def models(json: Annotated[bool, typer.Option("--json", help="A list of objects, for programs.")] = False) -> None:
    """What there is: bundled, downloaded, missing."""
    from imgrec.models.cards import load_catalog
    from imgrec.models.weights import state_of

    settings = Settings.from_env()
    states = {spec: state_of(spec, settings) for spec in load_catalog(settings).values()}
    if json:
        from json import dumps

        from imgrec.inference.request import describe

        say(dumps([describe(spec, state) for spec, state in states.items()], indent=2))
        return
    say(f"{'model':<24}{'state':<12}{'input':>9}{'parameters':>14}{'size':>11}{'top-1':>8}")
    for spec, state in states.items():
        height, width = spec.input_size
        top1 = "" if spec.published is None else f"{spec.published.top1:.1%}"
        size = f"{spec.weights.size_bytes / MIB:,.0f} MiB"
        say(f"{spec.name:<24}{state:<12}{f'{height}×{width}':>9}{spec.parameters:>14,}{size:>11}{top1:>8}")


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Names as `imgrec models` lists them.")],
) -> None:
    """Download, verify and compile models."""
    from imgrec.inference.preparation import Preparations
    from imgrec.models import weights
    from imgrec.models.cards import load_catalog

    settings = Settings.from_env()
    specs = load_catalog(settings).get_specs(names)
    failures = prepare(specs, Preparations(settings))
    for spec in specs:
        if spec.name not in failures:
            record = weights.get_record(spec, settings)
            if record is not None:
                say(f"{spec.name} is ready: {record.path} (sha256 {record.sha256})")
    if failures:
        raise typer.Exit(BAD_INPUT)


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
    """Say what is in images, model by model and together."""
    from imgrec.inference.classify import open_pool
    from imgrec.inference.preparation import Preparations
    from imgrec.inference.request import Question, check_budget, get_default_specs, parse_models
    from imgrec.models.cards import load_catalog
    from imgrec.reports import result

    if format not in FORMATS:
        raise InputError(f"Expected the format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}. Received: {format!r}.")
    settings = Settings.from_env()
    catalog = load_catalog(settings)
    specs = parse_models(models, catalog) if models.strip(" ,") else get_default_specs(catalog, settings)
    question = Question.parse(specs, k=top, rule=rule, framing=framing, weights=weights)

    preparations = Preparations(settings)
    pool = open_pool(settings, preparations)
    check_budget(specs, pool)
    failures: dict[str, str] = {}
    # Nothing is fetched or compiled for files of which none can be an image.
    if any(may_be_image(name) for name in images):
        failures = prepare(specs, preparations)
    ready = tuple(spec for spec in specs if spec.name not in failures)
    if not ready:
        raise typer.Exit(BAD_INPUT)
    found: list[Report] = []
    for name in images:
        report = look(name, replace(question, specs=ready), pool, settings.max_upload_bytes)
        if report.error is None:
            missing = tuple(result.Failure(model, sentence) for model, sentence in failures.items())
            report = replace(report, outcomes=report.outcomes + missing)
        if format == "table":
            say(("\n" if found else "") + result.to_table([report], question.k))
        found.append(report)
    if format != "table":
        text = result.to_json(found, question.k) if format == "json" else result.to_csv(found, question.k)
        say(text.rstrip("\n"))
    # Models of different label spaces stand side by side; that they cannot be one is wrong only where that was asked.
    apart = {report.ensemble.error for report in found if isinstance(report.ensemble, result.Failure)}
    for sentence in sorted(apart):
        complain(sentence)
    if not all(map(is_whole, found)) or (apart and (rule or weights)):
        raise typer.Exit(BAD_INPUT)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="On which address; 0.0.0.0 opens it to the network, with training and folder paths.")
    ] = "127.0.0.1",
) -> None:
    """The dashboard and the JSON API, in one process, for this machine only unless --host says otherwise."""
    script = ROOT / "app.py"
    if not script.is_file():
        raise InputError(
            f"Expected the dashboard at {script}. Received: an installation without it; use the repository."
        )
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        f"--server.port={port}",
        f"--server.address={host}",
    ]
    if os.name == "nt":  # where exec starts a second process and leaves the terminal to nobody
        raise typer.Exit(subprocess.call(command))
    os.execv(sys.executable, command)  # noqa: S606 (no shell, fixed arguments)


def look(name: str, question: "Question", pool: "EnginePool", max_bytes: int) -> "Report":
    """The report of one image; one that cannot be used gets its sentence, here and on stderr."""
    from imgrec.inference.request import answer
    from imgrec.reports.result import Report

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
        raise InputError(f"Expected an image file. Received: {name}, {error.strerror}.") from error
    if len(data) > max_bytes:
        size_text = f"{size / MIB:,.1f} MiB" if size > max_bytes else "more"
        raise ImageTooLargeError(f"Expected an image of at most {max_bytes / MIB:,.3g} MiB. Received: {size_text}.")
    return data


def may_be_image(name: str) -> bool:
    """Whether a file begins like a image; what can be read only once, such as standard input, may be one."""
    from imgrec.images import formats

    if name == "-" or (os.path.exists(name) and not os.path.isfile(name)):
        return True
    try:
        with open(name, "rb") as file:
            return formats.identify(file.read(formats.HEAD_BYTES)) is not None
    except OSError:
        return False


def is_whole(report: "Report") -> bool:
    """Whether the image could be used, and no model failed at it."""
    from imgrec.reports.result import Failure

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
