"""From the start of a process to the first prediction of a cached MobileNet, against Keras.

    python -m bench.start               # 2 minutes

`keras`: import, build with weights from its cache, open, resize, preprocess, predict. `imgrec`: import, open the
pool (weights known, network compiled before), decode, classify. The files are in the page cache for both.
"""

import os
import subprocess
import sys
import textwrap
import time

from bench import pairs
from imgrec.settings import ROOT

ROUNDS = 7

KERAS = """
    import sys
    import keras
    model = keras.applications.MobileNet()
    image = keras.utils.load_img(sys.argv[1], target_size=(224, 224))
    batch = keras.applications.mobilenet.preprocess_input(keras.utils.img_to_array(image)[None])
    print(model.predict(batch, verbose=0)[0].argsort()[-5:])
"""

IMGREC = """
    import sys
    from pathlib import Path
    from imgrec.models.catalog import BUILT_IN
    from imgrec.images.decoding import decode
    from imgrec.inference.classify import classify, open_pool
    from imgrec.settings import Settings
    settings = Settings.from_env()
    pool = open_pool(settings)
    image = decode(Path(sys.argv[1]).read_bytes(), max_bytes=settings.max_upload_bytes)
    (prediction,) = classify(image, [BUILT_IN.get_spec(sys.argv[2])], pool)
    print(prediction.top_k(5))
"""


def seconds(command: list[str]) -> float:
    """How long `command` takes; raises when it fails."""
    settings = pairs.settings()
    environment = os.environ | {
        "KERAS_HOME": str(settings.keras_home),
        "IMGREC_HOME": str(settings.home),
        "IMGREC_OFFLINE": "1",
    }
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    pairs.prepare(["mobilenet"])
    photo = str(pairs.photo())
    sides = {
        "keras": [sys.executable, "-c", textwrap.dedent(KERAS), photo],
        "imgrec": [sys.executable, "-c", textwrap.dedent(IMGREC), photo, "mobilenet"],
        "command_line": [sys.executable, "-m", "imgrec", "predict", photo, "--models", "mobilenet"],
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS + 1):
        for name, command in sides.items():
            elapsed = seconds(command)
            if turn:  # the first one warms the page cache
                times[name].append(elapsed)
    pairs.save(
        "start",
        {
            "rounds": ROUNDS,
            **{f"{name}_ms": pairs.summary([one * 1e3 for one in values]) for name, values in times.items()},
            "imgrec_to_keras": pairs.ratio(times["imgrec"], times["keras"]),
            "command_line_to_keras": pairs.ratio(times["command_line"], times["keras"]),
        },
    )


if __name__ == "__main__":
    main()
