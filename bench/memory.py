"""Memory with six models loaded and run once, server included, against a Keras process.

    python -m bench.memory              # 1 minute

Anonymous memory is what no file backs and the kernel cannot drop; mapped files (libraries, and imgrec's weights) it
can. The server is the whole application: its pages' runtime, its API, tables and charts imported.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import pairs
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import MIB


def resident() -> dict[str, int]:
    """MiB of this process: anonymous, backed by files, and the most that there ever was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Rss", "VmHWM"))}
    return {
        "anonymous_mib": int(fields["RssAnon"]) // 1024,
        "files_mib": int(fields["RssFile"]) // 1024,
        "peak_mib": int(fields["VmHWM"]) // 1024,
    }


def keras_side() -> None:
    import keras

    models = [
        (spec, getattr(keras.applications, spec.architecture)(weights=str(pairs.weights_path(spec))))
        for spec in map(BUILT_IN.get_spec, pairs.SIX)
    ]
    for spec, model in models:
        model.predict(np.zeros((1, *spec.input_size, 3), np.float32), verbose=0)
    pairs.serve(resident)


def imgrec_side(names: Sequence[str] = pairs.SIX) -> None:
    import altair  # noqa: F401 (what the server's pages import)
    import pandas  # noqa: F401
    from starlette.testclient import TestClient

    import app
    from imgrec.inference import request
    from imgrec.inference.conversion import convert, read_manifest
    from imgrec.inference.openvino_engine import OpenVINOEngine
    from imgrec.inference.pool import EnginePool

    settings = pairs.settings()
    request.DEFAULT_MODELS = 0  # or the server would load three more networks, when it has the time
    with TestClient(app.app, base_url="http://localhost") as client:
        assert client.get("/livez").status_code == 200
        server = resident()
        specs = [BUILT_IN.get_spec(name) for name in names]
        paths = {spec.name: convert(spec, pairs.weights_path(spec), settings) for spec in specs}
        sizes = {name: read_manifest(path).memory_bytes for name, path in paths.items()}
        pool = EnginePool(
            settings.memory_bytes,
            lambda spec: OpenVINOEngine(paths[spec.name], sizes[spec.name]),
            lambda spec: sizes[spec.name],
        )
        for spec in specs:
            pool.predict(spec, np.zeros((1, *spec.input_size, 3), np.uint8))

        def measure() -> dict[str, Any]:
            accounted = {row.name: round(row.memory_bytes / MIB) for row in pool.loaded()}
            return {"server_alone": server, "with_six": resident(), "accounted_mib": accounted}

        pairs.serve(measure)


def main() -> None:
    pairs.prepare()
    results = {}
    for name in ("keras", "imgrec"):
        side = pairs.Side("bench.memory", name)
        results[name] = side.measure()
        side.end()
    theirs, ours = results["keras"], results["imgrec"]["with_six"]
    results["anonymous_ratio"] = round(ours["anonymous_mib"] / theirs["anonymous_mib"], 3)
    pairs.save("memory", results)


if __name__ == "__main__":
    {"keras": keras_side, "imgrec": imgrec_side, "": main}["".join(sys.argv[1:2])]()
