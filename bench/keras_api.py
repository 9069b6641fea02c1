"""A plain server of Keras and FastAPI, as tutorials write it: `python -m bench.keras_api PORT`; see `api`."""

import io
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def main() -> None:
    """Serve until interrupted."""
    import keras
    import numpy as np
    import uvicorn
    from fastapi import FastAPI, Request
    from fastapi.concurrency import run_in_threadpool
    from PIL import Image

    from bench import pairs
    from imgrec.models.catalog import BUILT_IN

    path = pairs.weights_path(BUILT_IN.get_spec("mobilenet"))
    model = keras.applications.MobileNet(weights=str(path))
    app = FastAPI()

    def classify(data: bytes) -> list[dict[str, float]]:
        image = Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224))
        batch = keras.applications.mobilenet.preprocess_input(np.asarray(image, np.float32)[np.newaxis])
        probabilities = model.predict(batch, verbose=0)[0]
        return [
            {"index": int(at), "probability": float(probabilities[at])} for at in probabilities.argsort()[-5:][::-1]
        ]

    classify(_sample())

    @app.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/predict")
    async def predict(request: Request) -> list[dict[str, float]]:
        return await run_in_threadpool(classify, await request.body())

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)


def _sample() -> bytes:
    from imgrec.settings import ASSETS

    return next((ASSETS / "samples").glob("*.jpg")).read_bytes()


if __name__ == "__main__":
    main()
