"""How long a visitor waits for one answer while a contact sheet is computed, in images of the sheet.

    python -m bench.visitor_beside_sheet     # 10 seconds

Engines that take 6 ms an image and no processor stand for three networks, so that other processes do not matter: what
is measured is the order in which the pool lets the two pass. The sheet asks each network about 16 images in turn; the
visitor asks one of them about one image, 40 times, at moments that have nothing to do with the sheet.
"""

import threading
import time

import numpy as np

from bench import pairs
from imgrec.inference.engine import Activations
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import MIB

MODELS = ("mobilenet", "mobilenet_v2", "efficientnet_lite0")
BLOCK, ASKED, INFERENCE_S = 16, 40, 0.006


class Sleeper:
    """An engine that counts its images and sleeps for each."""

    memory_bytes = MIB
    images = 0

    def predict(self, batch: np.ndarray) -> np.ndarray:
        for _ in batch:
            time.sleep(INFERENCE_S)
            Sleeper.images += 1
        return np.full((len(batch), 1000), 0.001, np.float32)

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        return self.predict(values)

    def observe(self, image: np.ndarray) -> Activations:
        return Activations(self.predict(image[np.newaxis])[0], None, None)

    def close(self) -> None:
        pass


def main() -> None:
    pool = EnginePool(64 * MIB, lambda spec: Sleeper(), lambda spec: MIB)
    specs = BUILT_IN.get_specs(MODELS)
    block, image = np.zeros((BLOCK, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.uint8)
    is_over = threading.Event()

    def sheet() -> None:
        while not is_over.is_set():
            for spec in specs:
                pool.predict(spec, block)

    thread = threading.Thread(target=sheet)
    thread.start()
    moments = iter(np.random.default_rng(0).uniform(0.05, 0.15, ASKED))
    waits_ms, passed = [], []
    for number in range(ASKED):
        time.sleep(next(moments))
        before, start = Sleeper.images, time.perf_counter()
        pool.predict(specs[number % len(specs)], image)
        waits_ms.append((time.perf_counter() - start) * 1e3)
        passed.append(Sleeper.images - before - 1)
    is_over.set()
    thread.join()
    pairs.save(
        "visitor_beside_sheet",
        {
            "inference_ms": INFERENCE_S * 1e3,
            "images_of_the_sheet_before_the_answer": pairs.summary(passed),
            "answer_ms": pairs.summary(waits_ms),
        },
    )


if __name__ == "__main__":
    main()
