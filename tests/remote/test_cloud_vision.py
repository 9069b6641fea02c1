"""Google Cloud Vision against a service on this machine: batches, refusals, broken answers, times, the budget."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from imgrec.errors import InputError, LabelSpaceError, QuotaError, ServiceError
from imgrec.images.decoding import DecodedImage, decode
from imgrec.images.raster import Raster
from imgrec.predictions.ensembles import combine
from imgrec.predictions.prediction import Failure
from imgrec.remote.classifier import RemoteAnswer
from imgrec.remote.cloud_vision import RETRIES, CloudVision
from imgrec.settings import MIB, Settings
from tests.remote.conftest import BAD_KEY, CAT, DOG, EXHAUSTED, Answer, Service, answered, refused


def classify(vision: CloudVision, images: list[DecodedImage]) -> list[RemoteAnswer | Failure]:
    return list(vision.classify(images))


def errors(outcomes: list[RemoteAnswer | Failure]) -> list[str]:
    return [str(one.error) for one in outcomes if isinstance(one, Failure)]


def test_17_images_are_sent_as_16_and_1(vision: CloudVision, service: Service, images: list[DecodedImage]) -> None:
    outcomes = classify(vision, images)
    assert [len(request["requests"]) for request in service.requests] == [16, 1]
    assert service.keys == ["secret", "secret"]
    assert len(outcomes) == 17
    assert not errors(outcomes)
    assert vision.budget.left == 983


def test_an_image_is_sent_as_a_jpeg_without_metadata_and_reduced(
    vision: CloudVision, service: Service, images: list[DecodedImage]
) -> None:
    large = replace(images[5], whole=Raster(images[5].pixels.repeat(60, axis=0).repeat(60, axis=1)))
    classify(vision, [large])
    (request,) = service.requests[0]["requests"]
    assert request["features"] == [{"type": "LABEL_DETECTION", "maxResults": 20}]
    content = base64.b64decode(request["image"]["content"])
    received = decode(content, max_bytes=MIB)
    assert (received.format, received.pixels.shape) == ("JPEG", (640, 853, 3))
    assert b"Exif" not in content


def test_labels_are_a_prediction_that_no_ensemble_takes(vision: CloudVision, images: list[DecodedImage]) -> None:
    (answer,) = classify(vision, images[:1])
    assert isinstance(answer, RemoteAnswer)
    found = answer.prediction.top_k(4)
    assert [(one.label, round(one.probability, 2)) for one in found] == [
        ("Cat", 0.99),
        ("Skin", 0.92),
        ("Felidae", 0.91),
        ("Tail", 0.51),
    ]
    assert found[0].synset == "n02121620"
    with pytest.raises(LabelSpaceError, match="exclude each other"):
        combine([answer.prediction, answer.prediction])


def test_time_is_told_as_total_service_and_network(vision: CloudVision, images: list[DecodedImage]) -> None:
    (answer,) = classify(vision, images[:1])
    assert isinstance(answer, RemoteAnswer)
    timing = answer.timing
    assert timing.server_ms == 5
    assert timing.network_ms == max(0, timing.total_ms - 5)
    assert (timing.images, timing.attempts) == (1, 1)


def test_without_the_header_only_the_total_is_told(
    vision: CloudVision, service: Service, images: list[DecodedImage]
) -> None:
    service.respond = lambda count, body: (*answered(CAT)[:2], {})
    (answer,) = classify(vision, images[:1])
    assert isinstance(answer, RemoteAnswer)
    assert (answer.timing.server_ms, answer.timing.network_ms) == (None, None)


def test_a_busy_service_is_asked_again(vision: CloudVision, service: Service, images: list[DecodedImage]) -> None:
    service.respond = lambda count, body: refused(503, {}) if count < 4 else answered(CAT)
    (answer,) = classify(vision, images[:1])
    assert isinstance(answer, RemoteAnswer)
    assert answer.timing.attempts == len(service.requests) == 4
    assert vision.budget.left == 999


def test_waits_grow_with_some_chance_and_are_limited() -> None:
    retries = RETRIES
    waits = []
    for _ in range(4):
        retries = retries.increment("POST", "/", response=None, error=OSError("again"))
        waits.append(retries.get_backoff_time())
    assert waits[0] < waits[2] < waits[3] <= 4.5
    assert len({RETRIES.new(history=retries.history).get_backoff_time() for _ in range(5)}) > 1
    assert RETRIES.parse_retry_after("86400") == 30


def test_a_key_that_is_refused_ends_the_rest_in_a_sentence(
    vision: CloudVision, service: Service, images: list[DecodedImage]
) -> None:
    service.respond = lambda count, body: refused(400, BAD_KEY)
    outcomes = classify(vision, images)
    assert len(service.requests) == 1
    assert errors(outcomes) == 17 * [
        "Google Cloud Vision does not accept IMGREC_GOOGLE_VISION_KEY: API key not valid. Please pass a valid API key."
    ]
    assert "secret" not in "".join(errors(outcomes))
    assert vision.budget.left == 1000, "what was refused is not counted"


def test_a_quota_that_ends_in_the_middle_keeps_what_was_answered(
    vision: CloudVision, service: Service, images: list[DecodedImage]
) -> None:
    service.respond = lambda count, body: answered(*[CAT] * 16) if count == 1 else refused(429, EXHAUSTED)
    outcomes = classify(vision, [*images, *images])
    assert [isinstance(one, RemoteAnswer) for one in outcomes] == 16 * [True] + 18 * [False]
    assert "quota" in errors(outcomes)[0]
    assert isinstance(outcomes[-1], Failure)
    assert isinstance(outcomes[-1].error, QuotaError)


def test_the_monthly_budget_is_never_passed(vision: CloudVision, service: Service, images: list[DecodedImage]) -> None:
    vision.budget = replace(vision.budget, limit=10)
    outcomes = classify(vision, images)
    assert [len(request["requests"]) for request in service.requests] == [10]
    assert [isinstance(one, RemoteAnswer) for one in outcomes] == 10 * [True] + 7 * [False]
    assert "The 10 images of this month" in errors(outcomes)[0]
    classify(vision, images)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (answered(CAT), "answered for 1 of 2 images"),
        (answered(CAT, {"error": {"code": 3, "message": "Bad image data."}}), "refused this image: Bad image data."),
        (answered(CAT, {}), "found no label"),
        (answered(CAT, {"labelAnnotations": [{"description": 7, "score": "high"}]}), "found no label"),
        ((200, json.dumps({"responses": [CAT, 5]}).encode(), {}), "Received: int"),
    ],
)
def test_an_answer_for_half_of_the_images_is_kept(
    answer: Answer, sentence: str, vision: CloudVision, service: Service, images: list[DecodedImage]
) -> None:
    service.respond = lambda count, body: answer
    first, second = classify(vision, images[:2])
    assert isinstance(first, RemoteAnswer)
    assert isinstance(second, Failure)
    assert sentence in str(second.error)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((200, b"<html>", {}), "in JSON"),
        ((200, b'{"responses": 5}', {}), "in JSON"),
        ((500, b"oops", {}), "status 500: without a reason."),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "status 302"),
        ((200, b'{"responses": [', {"Content-Length": "900"}), "cannot be reached"),
    ],
)
def test_a_broken_answer_is_a_sentence(
    answer: Answer, sentence: str, vision: CloudVision, service: Service, images: list[DecodedImage]
) -> None:
    service.respond = lambda count, body: answer
    (outcome,) = classify(vision, images[:1])
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, ServiceError)
    assert sentence in str(outcome.error)


def test_a_service_that_is_not_there(vision: CloudVision, images: list[DecodedImage]) -> None:
    gone = CloudVision("secret", vision.budget, "http://127.0.0.1:1/", RETRIES.new(total=0))
    (outcome,) = classify(gone, images[:1])
    assert isinstance(outcome, Failure)
    assert "cannot be reached: no connection" in str(outcome.error)
    assert gone.budget.left == 1000


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"google_vision_key": None}, "IMGREC_GOOGLE_VISION_KEY"),
        ({"demo": True}, "This demo sends no images"),
        ({"offline": True}, "IMGREC_OFFLINE=1"),
    ],
)
def test_where_it_may_not_be_asked(changes: dict[str, Any], sentence: str) -> None:
    settings = replace(Settings.from_env({}), **({"google_vision_key": "secret"} | changes))
    with pytest.raises(InputError, match=sentence):
        CloudVision.open(settings)
    assert "secret" not in repr(settings)


def test_labels_of_dogs(vision: CloudVision, service: Service, images: list[DecodedImage]) -> None:
    service.respond = lambda count, body: answered(DOG)
    (answer,) = classify(vision, images[:1])
    assert isinstance(answer, RemoteAnswer)
    assert [one.synset for one in answer.prediction.top_k(2)] == [None, "n02084071"]
