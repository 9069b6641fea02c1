"""`imgrec serve`."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from imgrec.cli.engines import check_engine
from imgrec.cli.terminal import complain
from imgrec.errors import InputError
from imgrec.settings import APP, RAY, Settings


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="On which address; 0.0.0.0 opens it to the network, with training and folder paths.")
    ] = "127.0.0.1",
    api_only: Annotated[bool, typer.Option("--api-only", help="Only the JSON API, without pages.")] = False,
    engine: Annotated[
        str | None, typer.Option(help="local, or ray: models run behind Ray Serve. IMGREC_ENGINE unless it is given.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster, such as head.example.org:6379; without it on this machine."),
    ] = None,
) -> None:
    """Serve the dashboard and the JSON API in one process, for this machine only unless --host opens them."""
    if engine is not None:
        check_engine(engine, address, None)
    # The process that serves reads them as it reads all settings.
    given = {"IMGREC_ENGINE": engine, "IMGREC_RAY_ADDRESS": address}
    os.environ.update({name: value for name, value in given.items() if value is not None})
    settings = Settings.from_env()
    if settings.engine == RAY:
        from imgrec.scale import serving

        serving.check(settings, complain)
    elif address is not None:
        check_engine(settings.engine, address, None)
    if api_only:
        from imgrec.server import api_process

        api_process.run(settings, host, port, complain)
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
