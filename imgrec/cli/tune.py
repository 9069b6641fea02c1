"""`imgrec tune`."""

import sys
from functools import partial
from typing import Annotated

import typer

from imgrec import extras
from imgrec.cli.doctor import warn_about
from imgrec.cli.terminal import Line, check_resuming, complain, follow, say
from imgrec.errors import InputError
from imgrec.files import typed_path
from imgrec.settings import Settings

# The options beside --resume: where the search is.
RESUMING = ("space", "out", "resume")


def tune(
    context: typer.Context,
    space: Annotated[str, typer.Argument(metavar="SPACE", help="six_layers, five_layers, or any recipe.")],
    data: Annotated[
        str, typer.Option(help="cifar10, a folder of class folders, a zip, a tar or an .npz; else the recipe's own.")
    ] = "",
    trials: Annotated[int, typer.Option(help="How many networks to try.")] = 10,
    epochs: Annotated[int | None, typer.Option(help="How long each one learns; else as the space says.")] = None,
    method: Annotated[str, typer.Option(help="random, bayesian or hyperband.")] = "random",
    vary: Annotated[
        list[str] | None,
        typer.Option(help="Another range: name=low:high, name=low:high:step, name=low:high:log or name=a,b,c."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides what is tried, the split and the first weights.")] = 0,
    train_best: Annotated[
        bool, typer.Option("--train-best", help="Then train the best one with all epochs of its recipe.")
    ] = False,
    out: Annotated[str, typer.Option(help="A folder for the search; else a new one under IMGREC_HOME/runs.")] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last search of SPACE, or the one in --out.")
    ] = False,
) -> None:
    """Search for better settings of a network: many short trainings, as one process by itself."""
    from imgrec.training import run_summary, search_job, training_job
    from imgrec.training.recipes import get_recipe
    from imgrec.training.search_spaces import get_space

    extras.check("train", "to train")
    settings = Settings.from_env()
    wanted = get_space(space)
    recipe = get_recipe(wanted.recipe)
    folder = typed_path(out) if out else None
    if resume:
        check_resuming(context, RESUMING)
        job = training_job.find_stopped(search_job.WORKER, wanted.name, settings, folder, noun="search")
        if job.settle() not in {"queued", "running"}:
            training_job.resume(job)
    else:
        source = data or recipe.dataset
        if not source:
            raise InputError(f"Expected --data for {wanted.name}, which has no dataset of its own. Received: none.")
        wanted = wanted.varied(vary or [])
        warn_about(source, settings, recipe.input_size)
        start = partial(search_job.start, trials=trials, epochs=epochs, method=method, seed=seed)
        job = start(wanted, source, settings, train_best=train_best, folder=folder)
    print(f"{job.title}: run {job.folder}", file=sys.stderr)
    lines = training_job.follow(job, lambda _, state: Line(run_summary.status(search_job.read(job), state)))
    follow(job, lines, f"imgrec tune {wanted.name} --resume" + (f" --out {out}" if out else ""))
    search = search_job.read(job)
    for trial in search.failed:
        complain(f"trial {trial.number}: {trial.reason}")
    say(run_summary.outcome(search))
    if search.handed_on is None:
        say(f"Its recipe: {job.folder / search_job.BEST}")
    else:
        say(f"It is being trained as {search.handed_on.model}: run {search.handed_on.run}")
