"""`imgrec train`: a recipe's network from scratch, or a head of one's own on a published network."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.doctor import warn_about
from imgrec.cli.output import Line, check_resuming, follow, say
from imgrec.errors import InputError, UnknownNameError
from imgrec.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgrec.jobs import Job
    from imgrec.training.recipes import Recipe

ONLY_MODELS = "For a model only: "

# Beside --resume: where the run is, and of a network that learns from scratch how fast it learns from there on.
RESUMING = ("name", "out", "resume")


def train(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A recipe or its .json file (trained from scratch), or a model to teach new classes.",
        ),
    ],
    data: Annotated[
        str, typer.Option(help="cifar10, a folder of class folders, a zip, a tar or an .npz; else the recipe's own.")
    ] = "",
    out: Annotated[str, typer.Option(help="A folder for the run; else a new one under IMGREC_HOME/runs.")] = "",
    called: Annotated[
        str,
        typer.Option("--name", help="What the model will be called; else my_ and the name of what it is made from."),
    ] = "",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's, or 20.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's, or 32.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the recipe's, or of several.")] = None,
    learning_rates: Annotated[str, typer.Option(help=f"{ONLY_MODELS}those to choose from, else 1e-2,1e-3,1e-4.")] = "",
    step_epochs: Annotated[
        int | None, typer.Option(min=0, help=f"{ONLY_MODELS}the rate falls to a tenth after each so many epochs.")
    ] = None,
    head: Annotated[str, typer.Option(help=f"{ONLY_MODELS}linear (the default), small, wide or hidden.")] = "",
    unfreeze: Annotated[
        int | None, typer.Option(help=f"{ONLY_MODELS}so many of its last layers learn too; -1: all.")
    ] = None,
    tuning_epochs: Annotated[
        int | None, typer.Option(min=1, help=f"{ONLY_MODELS}how long these learn, else 5 epochs.")
    ] = None,
    flat: Annotated[
        bool, typer.Option("--flat", help=f"{ONLY_MODELS}the head sees where on the image its features are.")
    ] = False,
    folds: Annotated[
        int | None, typer.Option(min=0, help=f"{ONLY_MODELS}cross-validation on so many folds; 0: one split.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the split, the order and the first weights.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run of NAME, or the one in --out.")
    ] = False,
) -> None:
    """Train a network of your own, or teach a published one your classes; the result joins the catalog.

    The run is a process by itself. It goes on when the terminal is closed; Ctrl-C stops it. What was stopped or killed
    goes on with --resume, a recipe's with another --learning-rate if that is given, too.
    """
    from imgrec.models.catalog import BUILT_IN
    from imgrec.training.recipes import RECIPES, read_recipe

    settings = Settings.from_env()
    folder = Path(out).expanduser() if out else None
    wanted_name = called or None
    options: dict[str, object] = {"epochs": epochs, "batch_size": batch_size}
    taught: dict[str, object] = {
        "learning_rates": _rates(learning_rates),
        "step_epochs": step_epochs,
        "head": head or None,
        "unfreeze": unfreeze,
        "tuning_epochs": tuning_epochs,
        "flat": flat or None,
        "folds": folds,
    }
    given = [f"--{option.replace('_', '-')}" for option, value in taught.items() if value is not None]
    recipe = read_recipe(Path(name).expanduser()) if name.endswith(".json") else RECIPES.get(name)
    if recipe is not None:
        if given:
            raise InputError(f"Expected {', '.join(given)} with a model to teach. Received: the recipe {name}.")
        if resume:
            check_resuming(context, (*RESUMING, "learning_rate"))
            job = _resumed(recipe.name, settings, folder, learning_rate)
        else:
            job = _start_recipe(recipe, data, settings, options, learning_rate, seed, wanted_name, folder)
        _follow(job, name, out, _describe_run)
        _conclude_run(job)
        return
    if name not in BUILT_IN:
        raise _unknown(name, list(RECIPES), list(BUILT_IN))
    if learning_rate is not None and taught["learning_rates"] is None:
        taught["learning_rates"] = (learning_rate,)
    if resume:
        check_resuming(context, RESUMING)
        job = _resumed_lesson(name, settings, folder)
    else:
        job = _start_lesson(name, data, settings, options | taught | {"seed": seed}, wanted_name, folder)
    _follow(job, name, out, _describe_lesson)
    _conclude_lesson(job)


def _unknown(name: str, recipes: list[str], models: list[str]) -> UnknownNameError:
    """The nearest of both kinds."""
    import difflib

    near = [difflib.get_close_matches(name, known, n=3) or known[:3] for known in (recipes, models)]
    return UnknownNameError(
        f"Expected the name of a recipe, such as {', '.join(near[0])}, or of a model to teach, such as "
        f"{', '.join(near[1])}. Received: {name!r}."
    )


def _rates(text: str) -> tuple[float, ...] | None:
    try:
        return tuple(float(part) for part in text.split(",")) if text else None
    except ValueError:
        raise InputError(f"Expected learning rates such as 1e-2,1e-3. Received: {text!r}.") from None


def _start_recipe(
    recipe: "Recipe",
    data: str,
    settings: Settings,
    options: dict[str, object],
    learning_rate: float | None,
    seed: int,
    called: str | None,
    folder: Path | None,
) -> "Job":
    from imgrec.training import training_job

    if not (data or recipe.dataset):
        raise InputError(f"Expected --data for {recipe.name}, which is made for no known set. Received: none.")
    changed = recipe.changed(**options, learning_rate=learning_rate)  # type: ignore[arg-type]
    warn_about(data or recipe.dataset or "", settings, recipe.input_size)
    return training_job.start(changed, data or recipe.dataset or "", settings, seed=seed, name=called, folder=folder)


def _start_lesson(
    name: str, data: str, settings: Settings, options: dict[str, object], called: str | None, folder: Path | None
) -> "Job":
    from imgrec.training import transfer_job

    if not data:
        raise InputError(f"Expected --data with the images to teach {name}. Received: none.")
    given = {option: value for option, value in options.items() if value is not None}
    if given.pop("flat", False):
        given["pooling"] = None
    lesson = transfer_job.Lesson(name, **given)  # type: ignore[arg-type]
    warn_about(data, settings, lesson.backbone_row().input_size)
    return transfer_job.start(lesson, data, settings, name=called, folder=folder)


def _resumed(name: str, settings: Settings, folder: Path | None, learning_rate: float | None) -> "Job":
    from imgrec.training import training_job

    job = training_job.find_unfinished(name, settings, folder)
    if learning_rate is None:
        return _going(job)
    training_job.resume(job, learning_rate=learning_rate)
    return job


def _resumed_lesson(name: str, settings: Settings, folder: Path | None) -> "Job":
    from imgrec.training import transfer_job

    return _going(transfer_job.find_unfinished(name, settings, folder))


def _going(job: "Job") -> "Job":
    """The job, its worker started again unless one lives."""
    if job.state not in {"queued", "running"}:
        job.resume()
    return job


def _follow(job: "Job", name: str, out: str, describe: "Callable[[Job, str], Line]") -> None:
    """Show how the job goes until it is finished; raises `InputError` when it ends otherwise."""
    from imgrec.training import training_job

    print(f"{job.title}: run {job.folder}", file=sys.stderr)
    follow(job, training_job.follow(job, describe), f"imgrec train {name} --resume" + (f" --out {out}" if out else ""))


def _describe_run(job: "Job", state: str) -> Line:
    from imgrec.training import summary, training_job

    curves = training_job.read_curves(job)
    return Line(summary.status(curves, state), summary.share_done(curves), summary.left_out(curves))


def _describe_lesson(job: "Job", state: str) -> Line:
    from imgrec.training import summary, transfer_job, transfer_stages

    progress = transfer_job.read_progress(job)
    share = transfer_stages.share_done(progress, transfer_job.Lesson.from_dict(job.configuration["lesson"]))
    return Line(summary.status(progress, state), share, summary.left_out(progress.curves))


def _conclude_run(job: "Job") -> None:
    from imgrec.training import summary, training_job

    curves = training_job.read_curves(job)
    say(f"{curves.finished and curves.finished.name}: {summary.outcome(curves)}")


def _conclude_lesson(job: "Job") -> None:
    """Print the result, the effect of fine-tuning, and one line for each learning rate."""
    from imgrec.training import summary, transfer_job, transfer_stages

    progress = transfer_job.read_progress(job)
    say(f"{progress.curves.finished and progress.curves.finished.name}: {summary.outcome(progress)}")
    if progress.tuned is not None:
        say(f"  {transfer_stages.describe_fine_tuning(progress.tuned, summary.validated_on(progress.curves))}")
    for row in progress.summaries:
        say(f"  {summary.describe_rate(row, summary.validated_on(progress.curves))}")
