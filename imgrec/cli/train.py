"""`imgrec train`: a recipe's network from scratch, or a published network on new classes."""

import difflib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgrec import extras
from imgrec.cli.doctor import warn_about
from imgrec.cli.terminal import Line, check_resuming, follow, say
from imgrec.errors import InputError, UnknownNameError
from imgrec.files import typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from imgrec.jobs import Job
    from imgrec.training.recipes import Recipe

ONLY_MODELS = "For a model only: "

# Beside --resume: where the run is; of a recipe also the learning rate from there on.
RESUMING = ("name", "out", "resume")

# Options of a model only, and the fields that they set.
TRANSFER = {
    "learning_rates": "learning_rates",
    "step_epochs": "step_epochs",
    "head": "head",
    "unfreeze": "fine_tune_layers",
    "tuning_epochs": "fine_tune_epochs",
    "flat": "pooling",
    "folds": "folds",
    "copies": "copies",
}

# Augmented copies of each image, where --augment says no number.
COPIES = 3


def train(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A recipe or its .json file (trained from scratch), or a model to fine-tune."
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
    augment: Annotated[
        str, typer.Option(help="Such as rotation=20,shift=0.2,shear=0.2,zoom=0.2,mirror; in place of the recipe's.")
    ] = "",
    copies: Annotated[
        int | None, typer.Option(min=1, help=f"{ONLY_MODELS}augmented copies of each image for its head, else 3.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the split, the order and the first weights.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run of NAME, or the one in --out.")
    ] = False,
) -> None:
    """Train a network of your own, or fine-tune a published one on your classes; the result joins the catalog.

    The run is a process by itself. It goes on when the terminal is closed; Ctrl-C stops it. What was stopped or killed
    goes on with --resume, a recipe's with another --learning-rate if that is given, too.
    """
    from imgrec.models.catalog import BUILT_IN
    from imgrec.training import training_job
    from imgrec.training.recipes import RECIPES, read_recipe

    extras.check("train", "to train")
    settings = Settings.from_env()
    options = context.params | {"folder": typed_path(out) if out else None}
    recipe = read_recipe(typed_path(name)) if name.endswith(".json") else RECIPES.get(name)
    if recipe is None and name not in BUILT_IN:
        near = [difflib.get_close_matches(name, known, n=3) or known[:3] for known in (list(RECIPES), list(BUILT_IN))]
        raise UnknownNameError(
            f"Expected the name of a recipe, such as {', '.join(near[0])}, or of a model to fine-tune, such as "
            f"{', '.join(near[1])}. Received: {name!r}."
        )
    if recipe is not None and (given := [f"--{key.replace('_', '-')}" for key in TRANSFER if _is_given(options[key])]):
        raise InputError(f"Expected {', '.join(given)} with a model to fine-tune. Received: the recipe {name}.")
    if resume:
        check_resuming(context, RESUMING if recipe is None else (*RESUMING, "learning_rate"))
        job = _resume(name, recipe, settings, options)
    else:
        job = _start_transfer(settings, options) if recipe is None else _start_recipe(recipe, settings, options)
    print(f"{job.title}: run {job.folder}", file=sys.stderr)
    lines = training_job.follow(job, _describe)
    follow(job, lines, f"imgrec train {name} --resume" + (f" --out {out}" if out else ""))
    _conclude(job)


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != ""


def _start_recipe(recipe: "Recipe", settings: Settings, options: dict[str, Any]) -> "Job":
    from imgrec.training import training_job
    from imgrec.training.augmentation import parse

    data = options["data"] or recipe.dataset
    if not data:
        raise InputError(f"Expected --data for {recipe.name}, which is made for no known set. Received: none.")
    changed = recipe.changed(**{name: options[name] for name in ("epochs", "batch_size", "learning_rate")})
    changed = changed.changed(augmentation=parse(options["augment"], recipe.augmentation))
    warn_about(data, settings, recipe.input_size)
    return training_job.start(
        changed, data, settings, seed=options["seed"], name=options["called"], folder=options["folder"]
    )


def _start_transfer(settings: Settings, options: dict[str, Any]) -> "Job":
    from imgrec.training import transfer_job
    from imgrec.training.augmentation import parse
    from imgrec.training.recipes import NO_AUGMENTATION
    from imgrec.training.transfer_config import TransferConfig

    name, data = options["name"], options["data"]
    if not data:
        raise InputError(f"Expected --data with the images to fine-tune {name}. Received: none.")
    fields = {"epochs": "epochs", "batch_size": "batch_size", "seed": "seed"} | TRANSFER
    given: dict[str, Any] = {field: options[key] for key, field in fields.items() if _is_given(options[key])}
    if options["learning_rates"]:
        given["learning_rates"] = parse_rates(options["learning_rates"])
    elif options["learning_rate"] is not None:
        given["learning_rates"] = (options["learning_rate"],)
    if options["flat"]:
        given["pooling"] = None
    if options["augment"]:
        given = {"copies": COPIES} | given | {"augmentation": parse(options["augment"], NO_AUGMENTATION)}
    config = TransferConfig(name, **given)
    warn_about(data, settings, config.backbone_spec().input_size)
    return transfer_job.start(config, data, settings, name=options["called"], folder=options["folder"])


def parse_rates(text: str) -> tuple[float, ...]:
    """Return the numbers between commas, none of an empty text; raises `InputError` on others."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise InputError(f"Expected learning rates such as 1e-2,1e-3. Received: {text!r}.") from None


def _resume(name: str, recipe: "Recipe | None", settings: Settings, options: dict[str, Any]) -> "Job":
    """Return the stopped run, its worker started again unless one is at work."""
    from imgrec.training import training_job, transfer_job

    worker = transfer_job.WORKER if recipe is None else training_job.WORKER
    job = training_job.find_stopped(worker, name if recipe is None else recipe.name, settings, options["folder"])
    state = job.state if job.state == "finished" else job.settle()
    if options["learning_rate"] is not None or state not in {"queued", "running"}:
        training_job.resume(job, learning_rate=options["learning_rate"])
    return job


def _describe(job: "Job", state: str) -> Line:
    from imgrec.training import run_summary, training_job, transfer_stages
    from imgrec.training.transfer_config import TransferConfig

    run = run_summary.read(job)
    if isinstance(run, training_job.Curves):
        return Line(run_summary.status(run, state), run_summary.share_done(run), run_summary.left_out(run))
    share = transfer_stages.share_done(run, TransferConfig.from_dict(job.configuration["lesson"]))
    return Line(run_summary.status(run, state), share, run_summary.left_out(run.curves))


def _conclude(job: "Job") -> None:
    """Print the result; of transfer learning also the effect of fine-tuning, and a line for each learning rate."""
    from imgrec.training import run_summary, transfer_job, transfer_stages

    run = run_summary.read(job)
    curves = run.curves if isinstance(run, transfer_job.Progress) else run
    say(f"{curves.finished and curves.finished.name}: {run_summary.outcome(run)}")
    if isinstance(run, transfer_job.Progress):
        images = run_summary.validated_on(curves)
        if run.tuned is not None:
            say(f"  {transfer_stages.describe_fine_tuning(run.tuned, images)}")
        for row in run.summaries:
            say(f"  {run_summary.describe_rate(row, images)}")
