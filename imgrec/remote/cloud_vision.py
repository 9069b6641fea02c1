"""Google Cloud Vision: the labels of images, in batches of 16.

    POST https://vision.googleapis.com/v1/images:annotate          X-Goog-Api-Key: …
    {"requests": [{"image": {"content": base64}, "features": [{"type": "LABEL_DETECTION", "maxResults": 20}]}, …]}

    {"responses": [{"labelAnnotations": [{"description": "Cat", "score": 0.99}, …]}, {"error": {…}}, …]}

What is sent is the decoded image, reduced and as a JPEG of its own: no file name, place or camera. A batch is sent
again, later and later, while the service is busy; what it refuses for good ends the rest, and what was answered stays.
"""

import base64
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import urllib3

from imgrec.errors import ImgrecError, InputError, QuotaError, ServiceError
from imgrec.images import encoding, transforms
from imgrec.images.decoding import DecodedImage
from imgrec.predictions.prediction import Failure
from imgrec.remote.classifier import RemoteAnswer, Timing, to_prediction
from imgrec.remote.monthly_budget import MonthlyBudget
from imgrec.settings import Settings

ENDPOINT = "https://vision.googleapis.com/v1/images:annotate"

# The most that the service takes in one request; all of them must stay below 10 MB.
BATCH = 16
# What the service recommends for labels is 640 × 480 px.
SIDE_PX = 640
MAX_LABELS = 20

TIMEOUT = urllib3.Timeout(connect=10, read=60)
# Waits of 0.5, 1, 2 and 4 s, each with up to 0.5 s more by chance, so that programs do not come back all at once.
RETRIES = urllib3.Retry(
    total=4,
    backoff_factor=0.5,
    backoff_jitter=0.5,
    # Of an answer that broke off, the service has already counted the images.
    read=0,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
    retry_after_max=30,
)

_SERVER_MS = re.compile(r"\bdur=(\d+(?:\.\d+)?)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_LABEL = 80


class CloudVision:
    """Google Cloud Vision, with the `key` of a project and a monthly `budget`."""

    name = "google_cloud_vision"
    title = "Google Cloud Vision"

    def __init__(
        self, key: str, budget: MonthlyBudget, endpoint: str = ENDPOINT, retries: urllib3.Retry = RETRIES
    ) -> None:
        self.budget = budget
        self._key = key
        self._endpoint = endpoint
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=retries)

    @classmethod
    def open(cls, settings: Settings) -> "CloudVision":
        """Return the service as the environment has it; raise `InputError` where it may not be asked."""
        if settings.demo:
            raise InputError("This demo sends no images to other services.")
        if settings.offline:
            raise InputError(f"IMGREC_OFFLINE=1 forbids to send images to {cls.title}.")
        if not settings.google_vision_key:
            raise InputError(
                f"Expected the key of a Google Cloud project in IMGREC_GOOGLE_VISION_KEY, to ask {cls.title}. "
                "Received: none."
            )
        path = settings.home / "services" / f"{cls.name}.json"
        return cls(settings.google_vision_key, MonthlyBudget(path, settings.google_vision_monthly))

    def classify(self, images: Iterable[DecodedImage]) -> Iterator[RemoteAnswer | Failure]:
        """Yield the labels of each image, in order, or why there are none; see `RemoteClassifier`."""
        entries = iter(images)
        refusal: ServiceError | None = None
        while batch := list(islice(entries, BATCH)):
            answers: Sequence[RemoteAnswer | Failure] = ()
            try:
                if refusal is None:
                    count = self.budget.take(len(batch))
                    answers = self._ask(batch[:count]) if count else ()
                    self._check_budget(count, len(batch))
            except ServiceError as error:
                refusal = error
            yield from answers
            if refusal is not None:
                yield from [self._failure(refusal)] * (len(batch) - len(answers))

    def _check_budget(self, taken: int, wanted: int) -> None:
        if taken < wanted:
            raise QuotaError(
                f"The {self.budget.limit:,} images of this month have been sent to {self.title}; more are sent next "
                "month, or with a higher IMGREC_GOOGLE_VISION_MONTHLY."
            )

    def _ask(self, images: Sequence[DecodedImage]) -> list[RemoteAnswer | Failure]:
        """Return the answer for each image of one batch; raise `ServiceError` where there is none for all of them."""
        feature = {"type": "LABEL_DETECTION", "maxResults": MAX_LABELS}
        body = {"requests": [{"image": {"content": _content(image)}, "features": [feature]} for image in images]}
        start = time.perf_counter()
        try:
            response = self._pool.request(
                "POST", self._endpoint, json=body, headers={"X-Goog-Api-Key": self._key}, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            if isinstance(getattr(error, "reason", None), urllib3.exceptions.NewConnectionError):
                self.budget.give_back(len(images))  # otherwise the service may have counted them
            raise ServiceError(f"{self.title} cannot be reached: {_reason(error)}.") from error
        total_ms = (time.perf_counter() - start) * 1e3
        if response.status != 200:
            self.budget.give_back(len(images))
            raise self._refusal(response.status, _message(response.data))
        try:
            found = json.loads(response.data)["responses"]
            if not isinstance(found, list):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError(f"Expected an answer of {self.title} in JSON. Received: other text.") from error
        told = _SERVER_MS.search(response.headers.get("Server-Timing", ""))
        attempts = 1 + len(response.retries.history if response.retries else ())
        timing = Timing(total_ms, float(told[1]) if told else None, len(images), attempts)
        outcomes = [self._outcome(one, timing) for one in found[: len(images)]]
        missing = ServiceError(f"{self.title} answered for {len(outcomes)} of {len(images)} images.")
        return outcomes + [self._failure(missing)] * (len(images) - len(outcomes))

    def _outcome(self, found: Any, timing: Timing) -> RemoteAnswer | Failure:
        if not isinstance(found, dict):
            return self._failure(ServiceError(f"Expected labels of {self.title}. Received: {type(found).__name__}."))
        if "error" in found:
            return self._failure(ServiceError(f"{self.title} refused this image: {_message(json.dumps(found))}"))
        scores = _scores(found.get("labelAnnotations"))
        if not scores:
            return self._failure(ServiceError(f"{self.title} found no label for this image."))
        return RemoteAnswer(to_prediction(self.name, self.title, scores, timing.total_ms / timing.images), timing)

    def _refusal(self, status: int, message: str) -> ServiceError:
        """Return the sentence for a request that was refused as a whole."""
        if status == 429:
            return QuotaError(f"The project's quota at {self.title} is used up: {message}")
        if status in (401, 403) or "API key" in message:
            return ServiceError(f"{self.title} does not accept IMGREC_GOOGLE_VISION_KEY: {message}")
        return ServiceError(f"{self.title} answered with the status {status}: {message}")

    def _failure(self, error: ImgrecError) -> Failure:
        return Failure(self.name, error, self.title)


def _content(image: DecodedImage) -> str:
    pixels = transforms.reduce(image.pixels, SIDE_PX)
    return base64.b64encode(encoding.to_jpeg(pixels)).decode("ascii")


def _scores(annotations: Any) -> dict[str, float]:
    """Return labels and confidences, the surest first; what has another form is left out."""
    found: dict[str, float] = {}
    for one in annotations if isinstance(annotations, list) else ():
        label, score = (one.get("description"), one.get("score")) if isinstance(one, dict) else (None, None)
        if not isinstance(label, str) or isinstance(score, bool) or not isinstance(score, int | float):
            continue
        label = _CONTROL.sub(" ", label).strip()[:_MAX_LABEL]
        if label and 0 <= score <= 1:
            found.setdefault(label, float(score))
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _message(data: bytes | str) -> str:
    """Return the sentence in the error of an answer; nothing of an answer that is no error of the service."""
    try:
        message = json.loads(data)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return "without a reason."
    return f"{_CONTROL.sub(' ', str(message)).strip()[:200].rstrip('.')}."


def _reason(error: Exception) -> str:
    """Return the innermost reason in a few words, without the address."""
    inner = getattr(error, "reason", None) or error
    if isinstance(inner, urllib3.exceptions.NewConnectionError):
        return "no connection"
    if isinstance(inner, urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return f"the connection broke off ({type(inner).__name__})"
