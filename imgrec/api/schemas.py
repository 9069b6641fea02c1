"""JSON schemas of what the API answers with, by name: the components of the contract.

They are closed: a member that is not named here is no member. Tests hold real answers against them.
"""

from collections.abc import Mapping
from typing import Any, get_args

from imgrec.explanation.attribution import METHODS
from imgrec.explanation.map_report import MAX_SIDE
from imgrec.inference.request import MAX_MODELS
from imgrec.models.weights import State
from imgrec.predictions.combination_rules import RULES
from imgrec.predictions.prediction import MAX_TOP_K

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
REAL: Schema = {"type": "number"}
POSITIVE: Schema = {"type": "number", "minimum": 0}
FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1.000001}  # float32 sums may end above 1
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def described(schema: Schema, description: str) -> Schema:
    """Return `schema` with a description."""
    return schema | {"description": description}


def or_null(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]} if "$ref" in schema else schema | {"type": [schema["type"], "null"]}


def reference(name: str) -> Schema:
    """Return a reference to the component called `name`."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(schema: Schema, **limits: int) -> Schema:
    """Return the schema of a list, with `minItems` or `maxItems`."""
    return {"type": "array", "items": schema} | limits


def closed(properties: Mapping[str, Schema], optional: tuple[str, ...] = (), description: str = "") -> Schema:
    """Return the schema of an object with these members and no other; all but the `optional` ones are there."""
    required = [name for name in properties if name not in optional]
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }
    return schema | ({"description": description} if description else {})


def numbers_by_model(schema: Schema) -> Schema:
    """Return the schema of an object with a number for each model."""
    return {"type": "object", "additionalProperties": schema}


_FAILURE = closed({"model": TEXT, "error": described(TEXT, "Why it has no answer.")})
_CHOICE = {
    "label": TEXT,
    "synset": described(or_null(TEXT), "The id in WordNet, where the class has one."),
    "index": described(WHOLE, "The place of the class in its label space."),
    "probability": FRACTION,
}
_TOP = list_of(reference("Choice"), minItems=1, maxItems=MAX_TOP_K)
_NONE_OF_THESE = described(
    or_null({"type": "boolean"}), "The entropy is above the limit of these classes; null without a limit."
)
_UNSURE = described(
    or_null({"type": "boolean"}), "The entropy is above the limit measured for these weights; null without one."
)
_RESULT = {
    "image": described(TEXT, "The name of the file."),
    "sha256": or_null(SHA256),
    "notes": described(list_of(TEXT), "What was normalized, in sentences."),
    "models": list_of({"anyOf": [reference("Prediction"), reference("Failure")]}, maxItems=MAX_MODELS),
    "ensemble": {"anyOf": [reference("Ensemble"), closed({"error": TEXT}), {"type": "null"}]},
    "error": described(TEXT, "Why the image cannot be used; the lists are empty then."),
}
_SPACE = described(TEXT, "The name of the classes.")
_PAIR = {"minItems": 2, "maxItems": 2}

SCHEMAS: dict[str, Schema] = {
    "Problem": closed(
        {
            "type": described(
                {"type": "string", "format": "uri-reference"}, "The address of the error's meaning, or about:blank."
            ),
            "title": described(TEXT, "The meaning of the error, the same for all its sentences."),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": described({"type": "string", "maxLength": 1001}, "The sentence: what was expected and received."),
        },
        description="An error, as RFC 9457 has it.",
    ),
    "Choice": closed(_CHOICE, description="A class with its probability."),
    "Failure": _FAILURE,
    "Prediction": closed(
        {
            "model": TEXT,
            "label_space": _SPACE,
            "milliseconds": described(POSITIVE, "Of the inference alone."),
            "top": _TOP,
            "none_of_these": _NONE_OF_THESE,
            "unsure": _UNSURE,
        }
    ),
    "Ensemble": closed(
        {
            "rule": {"type": "string", "enum": list(RULES)},
            "weights": numbers_by_model(POSITIVE),
            "top": _TOP,
            "uncertainty": closed(
                {"entropy_bits": REAL, "mutual_information_bits": REAL, "disagreement": FRACTION},
            ),
            "none_of_these": _NONE_OF_THESE,
            "unsure": _UNSURE,
            "temperatures": described(
                {"type": ["object", "null"], "additionalProperties": or_null(POSITIVE)},
                "Of each member; null where members are as they are.",
            ),
        }
    ),
    "Result": closed(_RESULT, optional=("error",), description="What the models say of one image."),
    "Row": closed(
        {"index": described(WHOLE, "The place of the image in the request, from 0.")} | _RESULT,
        optional=("error",),
        description="One line of a batch.",
    ),
    "Map": closed(
        {
            "model": TEXT,
            "class": TEXT,
            "indices": list_of(WHOLE, minItems=1),
            "label_space": _SPACE,
            "method": {"type": "string", "enum": list(METHODS)},
            "unit": TEXT,
            "probability": FRACTION,
            "milliseconds": POSITIVE,
            "box_px": described(list_of(REAL, minItems=4, maxItems=4), "Left, top, right, bottom of what it shows."),
            "size_px": described(list_of(WHOLE, **_PAIR), "Of the image."),
            "figures": closed(
                {
                    "least": REAL,
                    "most": REAL,
                    "peak": list_of(REAL, **_PAIR),
                    "quarters": list_of(FRACTION, minItems=4, maxItems=4),
                }
            ),
            "scores": described({"type": "object", "maxProperties": 0}, "Measured by pages and the command line only."),
            "values": described(
                list_of(list_of(or_null(REAL), maxItems=MAX_SIDE), maxItems=MAX_SIDE),
                "Rows from the top, each from the left; null where the model saw nothing.",
            ),
        }
    ),
    "Explanation": closed(
        {"image": TEXT, "sha256": SHA256, "maps": list_of(reference("Map")), "failures": list_of(reference("Failure"))}
    ),
    "SheetRow": closed(
        {
            "image": TEXT,
            "sha256": or_null(SHA256),
            "answer": described(or_null(reference("Choice")), "The first choice of the ensemble."),
            "agreeing": WHOLE,
            "members": list_of(TEXT),
            "disagreement": FRACTION,
            "mutual_information_bits": REAL,
            "entropy_bits": REAL,
            "unsure": {"type": "boolean"},
            "truth": described(or_null(TEXT), "The true class, where the archive has class folders."),
            "right": or_null({"type": "boolean"}),
            "models": list_of({"anyOf": [closed({"model": TEXT} | _CHOICE), reference("Failure")]}),
            "error": or_null(TEXT),
        }
    ),
    "Sheet": closed(
        {
            "images": described(list_of(reference("SheetRow")), "The most disputed first."),
            "accuracy": {"anyOf": [closed({"right": WHOLE, "images": WHOLE}), {"type": "null"}]},
            "remarks": list_of(TEXT),
        }
    ),
    "Model": closed(
        {
            "name": TEXT,
            "title": TEXT,
            "architecture": TEXT,
            "label_space": _SPACE,
            "parameters": WHOLE,
            "input_size": described(list_of(WHOLE, **_PAIR), "Height and width, in pixels."),
            "crop_fraction": FRACTION,
            "preprocess": TEXT,
            "state": {"type": "string", "enum": ["loaded", *get_args(State)]},
            "licence": TEXT,
            "published": {
                "anyOf": [closed({"top1": FRACTION, "top5": or_null(FRACTION), "source": TEXT}), {"type": "null"}]
            },
            "weights": closed({"url": TEXT, "filename": TEXT, "hash": or_null(TEXT), "size_bytes": WHOLE}),
        }
    ),
    "Dataset": closed(
        {
            "name": TEXT,
            "source": described(or_null(TEXT), "Where it comes from; null for one of this machine's own."),
            "images": WHOLE,
            "classes": WHOLE,
            "label_space": or_null(TEXT),
            "flaws": described(list_of(TEXT), "What is to be known of it."),
            "models": described(
                list_of(closed({"model": TEXT, "top_1": FRACTION, "latency_p50_ms": or_null(POSITIVE)})),
                "What was measured on it, the best first.",
            ),
        }
    ),
}
