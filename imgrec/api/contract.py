"""The contract: an OpenAPI 3.1 document of every address, type, limit and error.

`OPERATIONS` is the one list of addresses: `routes` serves what stands in it, with the options that stand in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import imgrec
from imgrec.api import problems, sheet, uploads
from imgrec.api.batch import MAX_BATCH_IMAGES, MAX_BATCHES
from imgrec.api.schemas import SCHEMAS, TEXT, Schema, closed, described, list_of, reference
from imgrec.data.image_paths import DEMO_MAX_IMAGES, MAX_IMAGES
from imgrec.explanation.attribution import DEFAULT_METHOD, METHODS
from imgrec.images.preprocessing import FRAMINGS
from imgrec.inference.request import DEFAULT_FRAMING, DEFAULT_RULE, DEMO_MAX_MODELS, MAX_MODELS
from imgrec.predictions.class_groups import MAX_CHARACTERS
from imgrec.predictions.combination_rules import RULES
from imgrec.predictions.hierarchy import DEFAULT_LEVEL, LEVELS
from imgrec.predictions.prediction import DEFAULT_TOP_K, MAX_TOP_K
from imgrec.settings import Settings

# Requests whose image is there and that are not answered yet; more get 429, and so does one whose image would take them
# above the bytes of `MAX_ARRIVING` images of the largest size.
MAX_REQUESTS = 16

# How many of these decode and infer: during the inference of one image another waits for its turn, and one is decoded.
MAX_ANSWERS = 3

# How many images of the largest size may be on their way at once; those at less than that size are more.
MAX_ARRIVING = 4

BASE = "/api/v1"
JSON, NDJSON, HTML = "application/json", "application/x-ndjson", "text/html"

_NAMES = "Names with commas between them"

OPTIONS: dict[str, Schema] = {
    "models": described(
        TEXT | {"maxLength": uploads.FIELD_BYTES, "examples": ["mobilenet,efficientnet_lite0"]},
        f"{_NAMES}, of `/models`; without it the default ones.",
    ),
    "k": described(
        {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K, "default": DEFAULT_TOP_K}, "How many classes."
    ),
    "rule": described(
        {"type": "string", "enum": list(RULES), "default": DEFAULT_RULE}, "How predictions are combined."
    ),
    "weights": described(
        TEXT | {"format": "weights", "maxLength": uploads.FIELD_BYTES, "examples": ["mobilenet=2"]},
        "Of chosen models, with commas between them, for the rules "
        f"{', '.join(name for name, rule in RULES.items() if rule.takes_weights)}; 1 where none is given.",
    ),
    "framing": described(
        {"type": "string", "enum": list(FRAMINGS), "default": DEFAULT_FRAMING}, "How an image becomes a square."
    ),
    "level": described(
        {"type": "string", "enum": list(LEVELS), "default": DEFAULT_LEVEL}, "How far classes are summed up."
    ),
    "classes": described(
        TEXT | {"format": "class-groups", "maxLength": MAX_CHARACTERS, "examples": ["cat;dog"]},
        'Classes of your own: `cat;dog`, or JSON, `{"cat": ["n02121620"]}`, of words and synsets of WordNet.',
    ),
    "calibrated": described({"type": "boolean", "default": False}, "Whether members have their measured temperatures."),
    "class": described(
        TEXT | {"format": "class-word", "maxLength": uploads.FIELD_BYTES, "examples": ["tabby"]},
        "A label, a synset or a word of WordNet; without it the first choice.",
    ),
    "method": described({"type": "string", "enum": list(METHODS), "default": DEFAULT_METHOD}, "How maps are made."),
}

PREDICT_OPTIONS = ("models", "k", "rule", "weights", "framing", "level", "classes", "calibrated")
EXPLAIN_OPTIONS = ("models", "class", "method", "rule", "weights", "framing")


@dataclass(frozen=True, slots=True)
class Operation:
    """An address: `name` is that of its endpoint, `takes` what it is sent, `gives` the schema of its answer.

    `kept` answers have an ETag. `is_open` ones need no token.
    """

    method: str
    path: str
    name: str
    summary: str
    gives: Schema
    kind: str = JSON
    takes: str = ""
    options: Sequence[str] = ()
    kept: bool = False
    is_open: bool = False


OPERATIONS = (
    Operation(
        "POST", "/predict", "predict", "Classify one image.", reference("Result"), takes="image",
        options=PREDICT_OPTIONS,
    ),
    Operation(
        "POST", "/predict/batch", "predict_batch",
        "Classify several images: one line for each, as soon as it is ready. A broken image costs its line alone.",
        reference("Row"), NDJSON, takes="images", options=PREDICT_OPTIONS,
    ),
    Operation(
        "POST", "/explain", "explain", "Show where each model found a class.", reference("Explanation"),
        takes="image", options=EXPLAIN_OPTIONS,
    ),
    Operation(
        "POST", "/sheet", "sheet", "Classify the images of an archive, and say how the models agree.",
        reference("Sheet"), takes="archive", options=PREDICT_OPTIONS,
    ),
    Operation("GET", "/models", "models", "List all models.", list_of(reference("Model")), kept=True),
    Operation("GET", "/models/{name}", "model", "Describe one model.", reference("Model"), kept=True),
    Operation(
        "GET", "/datasets", "datasets", "List the datasets that models were measured on.",
        list_of(reference("Dataset")), kept=True,
    ),
    Operation(
        "GET", "/openapi.json", "openapi", "Return this document.", {"type": "object"}, kept=True, is_open=True
    ),
    Operation("GET", "/docs", "docs", "Show this document as a page.", TEXT, HTML, kept=True, is_open=True),
)  # fmt: skip

# What every request with a body may end in, by status; others below.
_OF_BODIES = (400, 403, 404, 408, 413, 415, 422, 429, 500, 503, 507)


def document(settings: Settings) -> dict[str, Any]:
    """Return the contract of a server with these settings, as JSON values."""
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "imgrec",
            "version": imgrec.__version__,
            "description": "Compare image classifiers: the models, limits and sentences of the pages, for programs.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": BASE}],
        "paths": {},
        "components": {
            "schemas": SCHEMAS,
            "responses": {str(status): _failure(status) for status in sorted({401, *_OF_BODIES})},
        },
        "x-limits": limits(settings),
    }
    if settings.api_tokens:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    for operation in OPERATIONS:
        found["paths"].setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, settings)
    return found


def limits(settings: Settings) -> dict[str, int]:
    """Return the limits of a server with these settings: bytes, numbers and seconds."""
    image = settings.max_upload_bytes
    return {
        "image_bytes": image,
        "batch_bytes": MAX_ARRIVING * image,
        "batch_images": MAX_BATCH_IMAGES,
        "archive_bytes": sheet.most_bytes(settings),
        "archive_images": DEMO_MAX_IMAGES if settings.demo else MAX_IMAGES,
        "models": DEMO_MAX_MODELS if settings.demo else MAX_MODELS,
        "form_bytes_beside_images": uploads.FORM_BYTES,
        "field_bytes": uploads.FIELD_BYTES,
        "requests": MAX_REQUESTS,
        "requests_that_compute": MAX_ANSWERS,
        "batches": MAX_BATCHES,
        "archives": sheet.MAX_SHEETS,
    }


def _describe(operation: Operation, settings: Settings) -> dict[str, Any]:
    """Return one operation of the document."""
    statuses = set(_OF_BODIES) if operation.takes else {400, 404, 500} if "{" in operation.path else {400, 500}
    if settings.api_tokens and not operation.is_open:
        statuses.add(401)
    answer: dict[str, Any] = {
        "description": "The answer." if operation.kind != NDJSON else "Lines, each one a JSON value of this schema.",
        "content": {operation.kind: {"schema": operation.gives}},
    }
    responses: dict[str, Any] = {"200": answer}
    if operation.kept:
        answer["headers"] = {"ETag": {"schema": TEXT, "description": "Send it as If-None-Match to get 304."}}
        responses["304"] = {"description": "It is still what the client has."}
    responses |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": list(_parameters(operation)),
        "responses": responses,
    }
    if operation.takes:
        found["requestBody"] = {"required": True, "content": _content(operation, settings)}
    if settings.api_tokens and operation.is_open:
        found["security"] = []
    return found


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    if "{name}" in operation.path:
        schema = {"type": "string", "pattern": r"^[^/\x00-\x1f\x7f]+$"}
        yield {"name": "name", "in": "path", "required": True, "schema": schema, "description": "Of a model."}
    for name in operation.options:
        schema = dict(OPTIONS[name])
        yield {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}


def _content(operation: Operation, settings: Settings) -> dict[str, Any]:
    """Return the kinds of body that an operation takes, with their schemas."""
    most = limits(settings)
    raw: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    if operation.takes == "archive":
        raw["x-max-bytes"] = most["archive_bytes"]
        return dict.fromkeys((*sheet.KINDS, *filter(None, uploads.UNTOLD)), raw)
    one: Schema = {"type": "string", "format": "binary", "description": "A part with the name of the file."}
    if operation.takes == "images":
        one = list_of(one, minItems=1, maxItems=MAX_BATCH_IMAGES)
    form: dict[str, Any] = {
        "schema": closed(
            {"image": one} | {name: OPTIONS[name] for name in operation.options}, tuple(operation.options)
        ),
        "encoding": {"image": {"contentType": "image/*"}},
        "x-max-bytes": most["batch_bytes" if operation.takes == "images" else "image_bytes"],
    }
    if operation.takes == "images":
        return {uploads.FORM: form}
    raw["x-max-bytes"] = most["image_bytes"]
    return {uploads.FORM: form} | dict.fromkeys(("image/*", *filter(None, uploads.UNTOLD)), raw)


def _failure(status: int) -> dict[str, Any]:
    """Return the response of a status, with the errors that have it."""
    kinds = {name: kind for name, kind in problems.KINDS.items() if kind.http_status == status}
    words = "; ".join(f"{name}: {problems.meaning(kind)}" for name, kind in kinds.items())
    found: dict[str, Any] = {
        "description": words or _OTHERWISE[status],
        "content": {problems.MEDIA_TYPE: {"schema": reference("Problem")}},
    }
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "In seconds."}}
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"required": True, "schema": TEXT}}
    return found


_OTHERWISE = {
    403: "A page of another site sent it",
    408: "The body stopped arriving, or came too slowly",
    500: "A bug; it is in the log of the server",
}
