"""`imgrec train`."""

import sys
from typing import Annotated

import typer

from imgrec.cli.terminal import complain, say
from imgrec.errors import InputError
from imgrec.settings import Settings


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
        for line in runs.follow(job, lambda job, state: learning.status(runs.read_curves(job), state)):
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
