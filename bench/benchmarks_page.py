"""How long the Benchmarks page takes with 10 models × 10,000 pictures × 10 classes: `python -m bench.benchmarks_page`.

Runs the page's script as Streamlit does, without a browser: the first visit, a warm one, and every view.
"""

import json
import logging
import statistics
import tempfile
import time
from pathlib import Path

from imgrec import evaluation
from imgrec.catalogue import CATALOGUE
from imgrec.settings import ROOT

MODELS, PICTURES, ROUNDS = 10, 10_000, 5


def main() -> None:
    logging.disable(logging.WARNING)
    from streamlit.testing.v1 import AppTest

    from imgrec.ui import benchmark_answers, benchmarks
    from tests.measured import measure

    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), tuple(list(CATALOGUE)[:MODELS]), PICTURES)
        benchmark_answers.FOLDER = Path(folder)  # type: ignore[misc]
        app = AppTest.from_file(str(ROOT / "imgrec" / "shell.py"), default_timeout=120)
        app.run()
        seconds: dict[str, float] = {}
        start = time.perf_counter()
        app.switch_page("../pages/benchmarks.py").run()
        seconds["first visit"] = time.perf_counter() - start
        for view in benchmarks.VIEWS:
            app.session_state["bench_view"] = view
            app.run()
            times = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                app.run()
                times.append(time.perf_counter() - start)
            seconds[view] = statistics.median(times)
            assert not app.exception, view
        app.session_state["bench_view"] = "Ensembles"
        app.run()
        start = time.perf_counter()
        app.button(key="bench_find").click().run()
        seconds["best 3 of 10"] = time.perf_counter() - start
    milliseconds = {name: round(value * 1e3) for name, value in seconds.items()}
    print(json.dumps({"milliseconds": milliseconds, "hardware": evaluation.hardware()}, indent=1))


if __name__ == "__main__":
    main()
