"""`imgrec serve`."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from imgrec.cli.terminal import complain
from imgrec.errors import InputError
from imgrec.settings import APP, Settings


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="On which address; 0.0.0.0 opens it to the network, with training and folder paths.")
    ] = "127.0.0.1",
    api_only: Annotated[bool, typer.Option("--api-only", help="Only the JSON API, without pages.")] = False,
) -> None:
    """Serve the dashboard and the JSON API in one process, for this machine only unless --host opens them."""
    if api_only:
        from imgrec.server import api_process

        api_process.run(Settings.from_env(), host, port, complain)
        return
    script = APP / "app.py"
    if not script.is_file():
        raise InputError(f"Expected the dashboard at {script}. Received: no such file; install imgrec again.")
    # Streamlit reads .streamlit/config.toml beside the script, wherever the command is given.
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [f"--server.port={port}", f"--server.address={host}"]
    if os.name == "nt":  # where exec starts a second process, and the terminal does not wait for it
        raise typer.Exit(subprocess.call(command))
    os.execv(sys.executable, command)  # noqa: S606 (no shell, fixed arguments)
