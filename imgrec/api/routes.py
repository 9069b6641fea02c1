"""The JSON API, to be mounted at /api/v1: the same models, limits and sentences as the pages.

    curl -s -F image=@cat.jpg -F models=mobilenet,densenet121 -F k=3 -F rule=mean localhost:8501/api/v1/predict
    curl -s --data-binary @cat.jpg 'localhost:8501/api/v1/predict?models=mobilenet&k=3'
    curl -s -F image=@cat.jpg -F class=cat localhost:8501/api/v1/explain
    curl -s --data-binary @photos.zip 'localhost:8501/api/v1/sheet?models=mobilenet,densenet121'
    curl -s localhost:8501/api/v1/models

`POST /predict` takes one image, as the part `image` of a form or as the body, with the options `models`, `k`,
`rule`, `weights` (`vgg16=2,mobilenet=0.5`), `framing`, `level` (`kind`), `classes` (`cat;dog` or JSON, see
`predictions.class_groups`) and `calibrated` (true, for the measured temperatures), all optional, as fields or in the
query. It answers with one object as of `imgrec predict --format json` (see `reports.result.to_dict`). `POST /explain`
takes an image in the same way, with `models`, `class`, `method`, `rule`, `weights` and `framing`, and answers with the
maps of `imgrec explain --format json` and the models without one (see `explain.map_report.to_dict`). `POST /sheet`
takes an archive of images, with the options of `predict` in the query (see `api.sheet`). `GET /models` answers with the
list of `imgrec models --json`.

Errors are `{"error": sentence, "type": name}` with the status of the error; "try again later" is 503 with Retry-After.
Images are never written to disk; archives are, for as long as they are read (see `api.sheet`).
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgrec.api import sheet
from imgrec.api.arriving import Arriving
from imgrec.errors import BusyError, ImageTooLargeError, ImgrecError, InputError, shortened
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

OPTIONS = ("models", "k", "rule", "weights", "framing", "level", "classes", "calibrated")
EXPLAIN_OPTIONS = ("models", "class", "method", "rule", "weights", "framing")

# Requests whose image is there and that are not answered yet; more get 503.
MAX_REQUESTS = 8

# How many of these decode and infer: one image is decoded during the inference of another. A limiter of our own,
# because Streamlit's threads serve its files.
MAX_ANSWERS = 2

# What a form may hold besides the image, and how long one field may be.
FORM_BYTES = 64 * 1024
FIELD_BYTES = 4 * 1024

# How many images of the largest size may be on their way at once; those at less than that size are more.
MAX_ARRIVING = 4

# How long a request waits for a model that is being downloaded or compiled, before it gets 503.
PREPARATION_PATIENCE_S = 20.0
RETRY_AFTER_S = 5

# A sentence may repeat what was received; more of it does not help.
MAX_SENTENCE = 1_000

# Responses are data, neither cached nor shown as a page.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def create(
    *,
    get_settings: Callable[[], Settings],
    get_pool: Callable[[], EnginePool],
    get_preparations: Callable[[], Preparations],
) -> Starlette:
    """Return the application to mount; what it shares with the pages is made when a request needs it."""
    endpoints = _Endpoints(get_settings, get_pool, get_preparations)
    app = Starlette(
        routes=[
            Route("/models", endpoints.models, methods=["GET"]),
            Route("/predict", endpoints.predict, methods=["POST"]),
            Route("/sheet", endpoints.sheet, methods=["POST"]),
            Route("/explain", endpoints.explain, methods=["POST"]),
        ],
        exception_handlers={ImgrecError: _on_error, HTTPException: _on_http_error, Exception: _on_bug},
    )
    app.router.redirect_slashes = False
    return app


@dataclass(frozen=True, slots=True)
class _Upload:
    """The content of a request: the image, its name, and the options by name."""

    data: bytes
    name: str
    options: dict[str, str]


@dataclass(slots=True)
class _Endpoints:
    """The endpoints; `requests` counts those of `predict` and `explain` that have their image."""

    get_settings: Callable[[], Settings]
    get_pool: Callable[[], EnginePool]
    get_preparations: Callable[[], Preparations]
    requests: int = 0
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_ANSWERS))
    images: Arriving = field(default_factory=Arriving)
    _sheets: sheet.Sheets = field(default_factory=sheet.Sheets)

    async def models(self, request: Request) -> Response:
        """Return the whole catalog, each model with its state."""
        return _json(await anyio.to_thread.run_sync(self._describe_all))

    async def predict(self, request: Request) -> Response:
        """Classify one image."""
        return await self._answer(request, OPTIONS, self._predict)

    async def explain(self, request: Request) -> Response:
        """Explain one image: where each model found a class."""
        return await self._answer(request, EXPLAIN_OPTIONS, self._explain)

    async def _answer(
        self, request: Request, options: Sequence[str], compute: "Callable[[_Upload], dict[str, object]]"
    ) -> Response:
        """Return what `compute` makes of the image in `request`, which may have these `options`."""
        most = self.get_settings().max_upload_bytes
        try:
            async with self.images.body(MAX_ARRIVING * most) as count:
                upload = await _receive(request, most, options, count)
        except ClientDisconnect:
            raise HTTPException(400, "Expected an image. Received: a part, and the connection was closed.") from None
        # A slot is taken when the image is there: a client that sends slowly keeps none.
        if self.requests >= MAX_REQUESTS:
            raise BusyError(f"{MAX_REQUESTS} images are being looked at. Try again in some seconds.")
        self.requests += 1
        try:
            return _json(await anyio.to_thread.run_sync(compute, upload, limiter=self.limiter))
        finally:
            self.requests -= 1

    async def sheet(self, request: Request) -> Response:
        """Classify the images of an archive, see `api.sheet`; one archive at a time."""

        async def options() -> Options:
            words = _options(request.query_params.multi_items(), OPTIONS)
            return await anyio.to_thread.run_sync(self._ready_options, words, limiter=self.limiter)

        return _json(await self._sheets.answer(request, options, self.get_pool(), self.get_settings()))

    def _describe_all(self) -> list[dict[str, object]]:
        settings = self.get_settings()
        catalog = cards.load_catalog(settings)
        loaded = {row.name for row in self.get_pool().loaded()}
        return [
            describe(spec, "loaded" if spec.name in loaded else state_of(spec, settings)) for spec in catalog.values()
        ]

    def _predict(self, upload: _Upload) -> dict[str, object]:
        settings, options = self.get_settings(), self._ready_options(upload.options)
        found = get_result(upload.data, upload.name, options, self.get_pool(), max_bytes=settings.max_upload_bytes)
        return result.to_dict(found, options.k)

    def _ready_options(self, words: Mapping[str, str]) -> Options:
        """Return the options of a classification, with models that are ready."""
        others = dict(words)
        specs = self._load(others.pop("models", ""))
        return Options.parse(specs, get_temperatures=partial(temperatures.measured, self.get_settings()), **others)

    def _explain(self, upload: _Upload) -> dict[str, object]:
        settings, words = self.get_settings(), dict(upload.options)
        word, method = words.pop("class", ""), words.pop("method", "") or DEFAULT_METHOD
        find_method(method)
        if settings.demo and method != DEFAULT_METHOD:
            raise InputError(f"Expected the method {DEFAULT_METHOD} in this demo. Received: {method}.")
        image = decode(upload.data, max_bytes=settings.max_upload_bytes, name=upload.name)
        options = Options.parse(
            self._load(words.get("models", "")),
            rule=words.get("rule"),
            weights=words.get("weights"),
            framing=words.get("framing"),
        )
        found = explanation.explain(image, options, self.get_pool(), word=word, method=method)
        return map_report.to_dict(upload.name, image.sha256, [MeasuredMap(one) for one in found.maps]) | {
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


async def _receive(request: Request, max_bytes: int, names: Sequence[str], count: Callable[[int], None]) -> _Upload:
    """Return the upload of `request`, counted while it arrives: its length may be missing or wrong.

    `count` is called with the bytes of each part.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = kind == "multipart/form-data"
    most = max_bytes + FORM_BYTES if is_form else max_bytes
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(max_bytes, f"{int(length) / MIB:,.1f} MiB")
    stream = _counted(request.stream(), most, max_bytes, count)
    pairs = request.query_params.multi_items()
    if not is_form:
        data = bytearray()
        async for chunk in stream:
            data += chunk
        return _Upload(bytes(data), "picture", _options(pairs, names))

    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=2 * len(names), max_part_size=FIELD_BYTES)
    parser.spool_max_size = most + 1  # in memory as a whole: visitors' images are not put on disks
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InputError(f"Expected a form with one image and short fields. Received: {error.message}") from error
    except (UnicodeError, LookupError) as error:  # the header names a charset that decodes nothing
        raise InputError("Expected a form in UTF-8. Received: another charset.") from error
    try:
        files = [value for _, value in form.multi_items() if not isinstance(value, str)]
        if len(files) != 1:
            raise InputError("Expected one image, in the part `image` of the form. Received: none.")
        pairs = [*pairs, *((name, value) for name, value in form.multi_items() if isinstance(value, str))]
        return _Upload(await files[0].read(), files[0].filename or "picture", _options(pairs, names))
    finally:
        await form.close()


async def _counted(
    stream: AsyncIterator[bytes], most_bytes: int, max_bytes: int, count: Callable[[int], None]
) -> AsyncGenerator[bytes, None]:
    """Yield from `stream`, and raise `ImageTooLargeError` after `most_bytes`."""
    received = 0
    async for chunk in stream:
        received += len(chunk)
        if received > most_bytes:
            raise _too_large(max_bytes, "more")
        count(len(chunk))
        yield chunk


def _too_large(max_bytes: int, received: str) -> ImageTooLargeError:
    return ImageTooLargeError(f"Expected an image of at most {max_bytes / MIB:,.3g} MiB. Received: {received}.")


def _options(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """Return the options by name, one of `names`; of a repeated one the last, but `models` and `weights` add up."""
    options: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            raise InputError(f"Expected the options {', '.join(names)}. Received: {name!r}.")
        adds_up = name in ("models", "weights") and options.get(name)
        options[name] = f"{options[name]},{value}" if adds_up else value
    return options


def _check_models(specs: Sequence[ModelSpec], settings: Settings) -> None:
    """Raise `InputError` for more models than one request may name, and in a demo for missing ones."""
    most = DEMO_MAX_MODELS if settings.demo else MAX_MODELS
    if len(specs) > most:
        raise InputError(f"Expected at most {most} models. Received: {len(specs)}.")
    if settings.demo:
        missing = [spec.name for spec in specs if state_of(spec, settings) == "missing"]
        if missing:
            raise InputError(f"Expected models that this demo has. Received: {', '.join(missing)}.")


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, HEADERS | dict(headers or {}))


async def _on_error(_: Request, error: Exception) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, BusyError) else None
    sentence = str(error)
    if len(sentence) > MAX_SENTENCE:
        sentence = f"{sentence[:MAX_SENTENCE]}…"
    content = {"error": sentence, "type": type(error).__name__}
    return _json(content, getattr(error, "http_status", 500), headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer with 404, 405, or an error of `predict`."""
    if not isinstance(error, HTTPException):
        raise error
    sentence = error.detail
    if error.status_code == 404:
        sentence = f"Expected /models, /predict, /sheet or /explain. Received: {shortened(request.scope['path'])!r}."
    elif error.status_code == 405:
        sentence = (
            f"Expected {(error.headers or {}).get('Allow', 'another method')}. Received: {shortened(request.method)}."
        )
    return _json({"error": sentence, "type": "HTTPException"}, error.status_code, error.headers)


async def _on_bug(_: Request, __: Exception) -> Response:
    """Answer with 500; Starlette then raises the error again, which writes it to the log."""
    return _json({"error": "Something went wrong here; it is in the log of the server.", "type": "InternalError"}, 500)
