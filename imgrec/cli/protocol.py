"""`imgrec protocol`: the whole protocol of a publication, on one's own images."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from imgrec.cli.doctor import warn_about
from imgrec.cli.terminal import Line, complain, follow, say
from imgrec.cli.train import parse_rates
from imgrec.errors import UnknownNameError
from imgrec.files import typed_path
from imgrec.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgrec.jobs import Job
    from imgrec.training.pb3 import Stage

PROTOCOLS = ("pb3",)

# What is looked for first, with a stand-in where its weights are not to be had.
SECOND = "resnet50"


def protocol(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="pb3.")],
    data: Annotated[str, typer.Option(help="A folder of class folders, a zip, a tar or an .npz; or cifar10.")],
    backbone: Annotated[str, typer.Option(help="The network for learning rates and folds.")] = "mobilenet",
    second: Annotated[
        str, typer.Option(help="The network for heads; by default resnet50, or efficientnet_lite0 without its weights.")
    ] = "",
    learning_rates: Annotated[str, typer.Option(help="By default 1e-2,1e-3,1e-4,1e-5,1e-6.")] = "",
    folds: Annotated[int, typer.Option(help="Folds of each learning rate and head.")] = 5,
    epochs: Annotated[int, typer.Option(help="Epochs of each head.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Images in a step.")] = 32,
    unfreeze: Annotated[int, typer.Option(help="So many last layers of the second network learn too; 0: none.")] = 4,
    tuning_epochs: Annotated[int, typer.Option(help="How long these learn.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Decides folds, order and first weights.")] = 0,
    called: Annotated[
        str, typer.Option("--name", help="What the names of its models begin with; else pb3_ and that of the images.")
    ] = "",
    out: Annotated[str, typer.Option(help="A folder for runs and report; else one under IMGREC_HOME/protocols.")] = "",
) -> None:
    """Carry out a published protocol on your images: learning rates, folds, heads, fine-tuning, one report.

    Ctrl-C stops it; the same command goes on where it was. The models join the catalog.
    """
    from imgrec.models import weights
    from imgrec.models.catalog import BUILT_IN
    from imgrec.reports import table_report
    from imgrec.training import pb3, pb3_report, pb3_runs

    if name not in PROTOCOLS:
        raise UnknownNameError.of("protocol", name, list(PROTOCOLS))
    settings = Settings.from_env()
    network, remark = second, ""
    if not second:
        spec = BUILT_IN.get_spec(SECOND)
        if not settings.offline and weights.locate(spec, settings) is None:
            print(f"fetching the weights of {spec.title}", file=sys.stderr, flush=True)
        network, remark = pb3_runs.second_network(SECOND, settings)
    given = pb3.Protocol(
        first=backbone,
        second=network,
        learning_rates=parse_rates(learning_rates) or pb3.LEARNING_RATES,
        folds=folds,
        epochs=epochs,
        batch_size=batch_size,
        unfrozen_layers=unfreeze,
        tuning_epochs=tuning_epochs,
        seed=seed,
    )
    folder = typed_path(out) if out else settings.home / "protocols" / f"pb3-{pb3_runs.slug(data)}-{given.key(data)}"
    runs = pb3_runs.ProtocolRuns(given, data, settings, folder, called)
    if remark:
        complain(remark)
    done = runs.done()
    if not done and (found := warn_about(data, settings, BUILT_IN.get_spec(backbone).input_size)) is not None:
        given.check_counts(found.counts)
    runs.begin()
    command = _command(context)
    while (stage := pb3.next_stage(given, done)) is not None:
        job = runs.job(stage)
        follow(job, _lines(job, stage, len(done), given.count), command)
        done = runs.done()
    for table in pb3_report.write(folder, given, done, settings, command=command, remark=remark):
        say(table_report.section(table))
    say(f"Report: {folder / pb3_report.MARKDOWN}")


def _lines(job: "Job", stage: "Stage", done: int, count: int) -> "Iterator[Line]":
    """Yield the progress of a stage, as part of that of the whole protocol."""
    from imgrec.training import run_summary, training_job, transfer_job, transfer_stages

    def describe(job: "Job", state: str) -> Line:
        run = transfer_job.read_progress(job)
        text = f"stage {done + 1} of {count}: {stage.title} · {run_summary.status(run, state)}"
        share = (done + transfer_stages.share_done(run, stage.config)) / count
        return Line(text, share, run_summary.left_out(run.curves) if not done else ())

    return training_job.follow(job, describe)


def _command(context: typer.Context) -> str:
    """Return the command as it was given, in one line for a shell."""
    words = ["imgrec", "protocol"]
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE":
            value = str(context.params[str(parameter.name)])
            words += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return shlex.join(words)
