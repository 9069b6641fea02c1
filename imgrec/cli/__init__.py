"""The command line.

`imgrec models`, `fetch`, `predict`, `sheet`, `explain`, `doctor`, `train`, `tune`, `protocol`, `logs`, `evaluate`,
`compare`, `export`, `remote`, `check`, `add`, `remove`, `serve`.

Results go to stdout, progress and errors to stderr. Exit code 0: done; 2: the input was wrong (one sentence on
stderr says how); 1: a bug (traceback). What a command needs is imported when it runs, so that `--help` and typing
mistakes cost nothing. A new command is one function and one line in `COMMANDS`.

`predict`: `models`, `fetch`, `predict`.
`sheet`: `sheet`.
`explain`: `explain`.
`evaluate`: `evaluate`.
`compare`: `compare`.
`engines`: where shards are run.
`sharded_predictions`: `predict` in shards.
`watch`: `evaluate --watch`.
`train`: `train`.
`tune`: `tune`.
`protocol`: `protocol`.
`logs`: `logs`.
`doctor`: `doctor`.
`export`: `export`.
`remote`: `remote`.
`own_models`: `check`, `add`, `remove`.
`serve`: `serve`.
`named_images`: the images that a command names, wherever they are.
`chosen_models`: the models and options that commands share.
`watched`: commands that Ray may end.
`terminal`: what goes to stdout and stderr.
"""

import sys
from typing import Annotated

import typer

from imgrec import __version__
from imgrec.cli import (
    compare,
    doctor,
    evaluate,
    explain,
    export,
    logs,
    own_models,
    predict,
    protocol,
    remote,
    serve,
    sheet,
    train,
    tune,
    watched,
)
from imgrec.cli.terminal import BAD_INPUT, complain, say
from imgrec.errors import ImgrecError

app = typer.Typer(
    help="Compare Keras pretrained image classifiers side by side, and average them.",
    no_args_is_help=True,
    # Rich is slow to import.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS = (
    predict.models,
    predict.fetch,
    predict.predict,
    sheet.sheet,
    explain.explain,
    doctor.doctor,
    train.train,
    tune.tune,
    protocol.protocol,
    logs.logs,
    evaluate.evaluate,
    compare.compare,
    export.export,
    remote.remote,
    own_models.check,
    own_models.add,
    own_models.remove,
    serve.serve,
)
for command in COMMANDS:
    app.command()(command)


def run() -> None:
    """Be the program `imgrec`, which may leave its work to a child process, and ends."""
    if watched.uses_cluster(sys.argv[1:]):
        watched.leave_to_child()
    main()


def main() -> None:
    """Run the command in `sys.argv`, in this process."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal or a file name that is not UTF-8 must not end a command with an error.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="imgrec")
    except ImgrecError as error:
        complain(str(error))
        sys.exit(BAD_INPUT)


@app.callback(invoke_without_command=True)
def imgrec(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Print the version on request."""
    if version:
        say(__version__)
        raise typer.Exit
