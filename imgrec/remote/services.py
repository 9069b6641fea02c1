"""The services that can be asked, by name. A new one is a module with a `RemoteClassifier`, and one line here."""

from collections.abc import Callable

from imgrec.remote.classifier import RemoteClassifier
from imgrec.remote.cloud_vision import CloudVision
from imgrec.settings import Settings

SERVICES: dict[str, Callable[[Settings], RemoteClassifier]] = {CloudVision.name: CloudVision.open}
