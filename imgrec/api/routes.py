"""The JSON API, to be mounted at /api/v1: the same models, limits and sentences as the pages.

    curl -s -F image=@cat.jpg -F models=mobilenet,densenet121 -F k=3 -F rule=mean localhost:8501/api/v1/predict
    curl -s --data-binary @cat.jpg 'localhost:8501/api/v1/predict?models=mobilenet&k=3'
    curl -s -F image=@cat.jpg -F image=@dog.jpg localhost:8501/api/v1/predict/batch
    curl -s -F image=@cat.jpg -F class=cat localhost:8501/api/v1/explain
    curl -s --data-binary @photos.zip 'localhost:8501/api/v1/sheet?models=mobilenet,densenet121'
    curl -s localhost:8501/api/v1/models

What each address takes and gives stands in `contract`, which is served at /openapi.json, and shown at /docs. Errors are
`application/problem+json` (see `problems`); "try again later" is 429 or 503 with Retry-After. Images are never written
to disk; archives are, for as long as they are read (see `api.sheet`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgrec.api import contract, contract_page, kept_answers, measured_datasets, problems, sheet, uploads
from imgrec.api.arriving import Arriving
from imgrec.api.batch import MAX_BATCH_IMAGES, MAX_BATCHES, Rows
from imgrec.api.contract import EXPLAIN_OPTIONS, MAX_ANSWERS, MAX_ARRIVING, MAX_REQUESTS, PREDICT_OPTIONS
from imgrec.api.origins import Origins
from imgrec.api.tokens import Tokens
from imgrec.errors import BusyError, ImgrecError, InputError, TooManyRequestsError
from imgrec.evaluation import temperatures
from imgrec.explanation import explanation, map_report
from imgrec.explanation.attribution import DEFAULT_METHOD, find_method
from imgrec.explanation.map_report import MeasuredMap
from imgrec.images.decoding import decode
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations, state_of
from imgrec.inference.request import (
    DEMO_MAX_MODELS,
    MAX_MODELS,
    Options,
    check_budget,
    describe,
    get_default_specs,
    get_result,
    parse_models,
)
from imgrec.models import cards
from imgrec.models.catalog import ModelSpec
from imgrec.reports import result
from imgrec.settings import MIB, Settings

# How long a request waits for a model that is being downloaded or compiled, before it gets 503.
PREPARATION_PATIENCE_S = 20.0


def create(
    *,
    get_settings: Callable[[], Settings],
    get_pool: Callable[[], EnginePool],
    get_preparations: Callable[[], Preparations],
) -> Starlette:
    """Return the application to mount; what it shares with the pages is made when a request needs it.

    Its `state.get_queue` returns what it works on, by name (see `_Endpoints.count`); `state.limiter` holds how many
    requests are computed at once.
    """
    endpoints = _Endpoints(get_settings, get_pool, get_preparations)
    app = Starlette(
        routes=[Route(one.path, getattr(endpoints, one.name), methods=[one.method]) for one in contract.OPERATIONS],
        exception_handlers={
            ImgrecError: problems.on_error,
            HTTPException: problems.on_http_error,
            Exception: problems.on_bug,
        },
        middleware=[
            Middleware(Origins, lambda: get_settings().api_origins),
            Middleware(
                Tokens, lambda: get_settings().api_tokens, [one.path for one in contract.OPERATIONS if one.is_open]
            ),
        ],
    )
    app.router.redirect_slashes = False
    app.state.get_queue = endpoints.count
    app.state.limiter = endpoints.limiter
    return app


@dataclass(slots=True)
class _Endpoints:
    """The endpoints, by the names in `contract.OPERATIONS`.

    `requests` counts those whose image is there, `waiting_bytes` what these take, `batches` those with all images.
    """

    get_settings: Callable[[], Settings]
    get_pool: Callable[[], EnginePool]
    get_preparations: Callable[[], Preparations]
    requests: int = 0
    waiting_bytes: int = 0
    batches: int = 0
    # A limiter of our own, because Streamlit's threads serve its files.
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_ANSWERS))
    images: Arriving = field(default_factory=Arriving)
    _sheets: sheet.Sheets = field(default_factory=sheet.Sheets)

    async def models(self, request: Request) -> Response:
        """Return the whole catalog, each model with its state."""
        return kept_answers.of_json(request, await anyio.to_thread.run_sync(self._describe_all))

    async def model(self, request: Request) -> Response:
        """Return one model with its state."""
        name = request.path_params["name"]
        return kept_answers.of_json(request, await anyio.to_thread.run_sync(self._describe_one, name))

    async def datasets(self, request: Request) -> Response:
        """Return the datasets that models were measured on."""
        found = await anyio.to_thread.run_sync(measured_datasets.describe_all, self.get_settings())
        return kept_answers.of_json(request, found)

    async def openapi(self, request: Request) -> Response:
        """Return the contract."""
        return kept_answers.of_json(request, contract.document(self.get_settings()))

    async def docs(self, request: Request) -> Response:
        """Return the contract as a page."""
        page = contract_page.to_html(contract.document(self.get_settings()))
        return kept_answers.of_bytes(request, page.encode(), "text/html", contract_page.HEADERS)

    async def predict(self, request: Request) -> Response:
        """Classify one image."""
        return await self._answer(request, PREDICT_OPTIONS, self._predict)

    async def predict_batch(self, request: Request) -> Response:
        """Classify several images, a line for each."""
        if self.batches >= MAX_BATCHES:
            raise TooManyRequestsError(f"{MAX_BATCHES} batches are being looked at. Try again in some seconds.")
        most = MAX_ARRIVING * self.get_settings().max_upload_bytes
        upload = await uploads.receive_form(request, self.images, most, PREDICT_OPTIONS, most, MAX_BATCH_IMAGES)
        if self.batches >= MAX_BATCHES:
            raise TooManyRequestsError(f"{MAX_BATCHES} batches are being looked at. Try again in some seconds.")
        self.batches += 1
        try:
            options = await anyio.to_thread.run_sync(self._ready_options, upload.options, limiter=self.limiter)
        except BaseException:
            self._end_batch()
            raise

        async def answer(image: uploads.Image) -> dict[str, object]:
            return await anyio.to_thread.run_sync(self._classify, image, options, limiter=self.limiter)

        return Rows(upload.images, answer, self._end_batch)

    def count(self) -> dict[str, int]:
        """Return how many requests compute and wait, and how many batches and archives are looked at."""
        computing = self.limiter.borrowed_tokens
        return {
            "computing": computing,
            "waiting": max(0, self.requests - computing),
            "batches": self.batches,
            "archives": self._sheets.running,
        }

    def _end_batch(self) -> None:
        self.batches -= 1

    async def explain(self, request: Request) -> Response:
        """Explain one image: where each model found a class."""
        return await self._answer(request, EXPLAIN_OPTIONS, self._explain)

    async def _answer(
        self, request: Request, options: Sequence[str], compute: Callable[[uploads.Upload], dict[str, object]]
    ) -> Response:
        """Return what `compute` makes of the image in `request`, which may have these `options`."""
        self._check_place()
        most = self.get_settings().max_upload_bytes
        upload = await uploads.receive(request, self.images, MAX_ARRIVING * most, options, most)
        # A place is taken when the image is there: a client that sends slowly keeps none.
        size = len(upload.images[0].data)
        self._check_place(size)
        self.requests += 1
        self.waiting_bytes += size
        try:
            return _json(await anyio.to_thread.run_sync(compute, upload, limiter=self.limiter))
        finally:
            self.requests -= 1
            self.waiting_bytes -= size

    def _check_place(self, size: int = 0) -> None:
        """Refuse a request that has no place: before its image is read, and after, when its `size` is known."""
        most = MAX_ARRIVING * self.get_settings().max_upload_bytes
        if self.requests >= MAX_REQUESTS or self.waiting_bytes + size > most:
            raise TooManyRequestsError(f"{self.requests} images are being looked at. Try again in some seconds.")

    async def sheet(self, request: Request) -> Response:
        """Classify the images of an archive, see `api.sheet`; one archive at a time."""

        async def options() -> Options:
            words = uploads.options(request.query_params.multi_items(), PREDICT_OPTIONS)
            return await anyio.to_thread.run_sync(self._ready_options, words, limiter=self.limiter)

        return _json(await self._sheets.answer(request, options, self.get_pool(), self.get_settings()))

    def _describe_one(self, name: str) -> dict[str, object]:
        settings = self.get_settings()
        spec = cards.load_catalog(settings).get_spec(name)
        is_loaded = any(row.name == name for row in self.get_pool().loaded())
        return describe(spec, "loaded" if is_loaded else state_of(spec, settings))

    def _describe_all(self) -> list[dict[str, object]]:
        settings = self.get_settings()
        catalog = cards.load_catalog(settings)
        loaded = {row.name for row in self.get_pool().loaded()}
        return [
            describe(spec, "loaded" if spec.name in loaded else state_of(spec, settings)) for spec in catalog.values()
        ]

    def _predict(self, upload: uploads.Upload) -> dict[str, object]:
        return self._classify(upload.images[0], self._ready_options(upload.options))

    def _classify(self, image: uploads.Image, options: Options) -> dict[str, object]:
        most = self.get_settings().max_upload_bytes
        return result.to_dict(get_result(image.data, image.name, options, self.get_pool(), max_bytes=most), options.k)

    def _ready_options(self, words: Mapping[str, str]) -> Options:
        """Return the options of a classification, with models that are ready."""
        others = dict(words)
        specs = self._load(others.pop("models", ""))
        return Options.parse(specs, get_temperatures=partial(temperatures.measured, self.get_settings()), **others)

    def _explain(self, upload: uploads.Upload) -> dict[str, object]:
        settings, words = self.get_settings(), dict(upload.options)
        word, method = words.pop("class", ""), words.pop("method", "") or DEFAULT_METHOD
        find_method(method)
        if settings.demo and method != DEFAULT_METHOD:
            raise InputError(f"Expected the method {DEFAULT_METHOD} in this demo. Received: {method}.")
        sent = upload.images[0]
        image = decode(sent.data, max_bytes=settings.max_upload_bytes, name=sent.name)
        options = Options.parse(
            self._load(words.get("models", "")),
            rule=words.get("rule"),
            weights=words.get("weights"),
            framing=words.get("framing"),
        )
        found = explanation.explain(image, options, self.get_pool(), word=word, method=method)
        return map_report.to_dict(sent.name, image.sha256, [MeasuredMap(one) for one in found.maps]) | {
            "failures": [{"model": failure.model, "error": str(failure.error)} for failure in found.failures]
        }

    def _load(self, names: str) -> list[ModelSpec]:
        """Return the models with these names, ready; of an empty text the default ones."""
        settings, pool = self.get_settings(), self.get_pool()
        catalog = cards.load_catalog(settings)
        specs = parse_models(names, catalog) or get_default_specs(catalog, settings)
        _check_models(specs, settings)
        check_budget(specs, pool)
        loaded = {row.name for row in pool.loaded()}
        self._prepare([spec for spec in specs if spec.name not in loaded])
        return specs

    def _prepare(self, specs: Sequence[ModelSpec]) -> None:
        """Fetch and compile models; raise `BusyError` when it takes longer than a request may wait."""
        preparations = [self.get_preparations().start(spec) for spec in specs]
        give_up_at = time.monotonic() + PREPARATION_PATIENCE_S
        for preparation in preparations:
            if not preparation.wait(max(0.0, give_up_at - time.monotonic())):
                done, total = preparation.done_bytes / MIB, (preparation.total_bytes or 0) / MIB
                figures = f" ({done:,.0f} of {total:,.0f} MiB)" if preparation.stage == "downloading" and total else ""
                raise BusyError(f"{preparation.model} is {preparation.stage}{figures}. Try again in a minute.")


def _check_models(specs: Sequence[ModelSpec], settings: Settings) -> None:
    """Raise `InputError` for more models than one request may name, and in a demo for missing ones."""
    most = DEMO_MAX_MODELS if settings.demo else MAX_MODELS
    if len(specs) > most:
        raise InputError(f"Expected at most {most} models. Received: {len(specs)}.")
    if settings.demo:
        missing = [spec.name for spec in specs if state_of(spec, settings) == "missing"]
        if missing:
            raise InputError(f"Expected models that this demo has. Received: {', '.join(missing)}.")


def _json(content: object) -> JSONResponse:
    return JSONResponse(content, headers=problems.HEADERS)
