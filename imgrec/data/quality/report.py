"""The result of a dataset check: findings with their figures and files, and the checks that passed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["stop", "warn", "note"]

# Worst first, with what each means for a training.
SEVERITIES: dict[Severity, str] = {
    "stop": "Training cannot start.",
    "warn": "Training works, but accuracy may suffer or be overestimated.",
    "note": "No action needed.",
}

# Cases of one finding that are named; of more, the count suffices.
MAX_CASES = 50


@dataclass(frozen=True, slots=True)
class Case:
    """One image, or several that belong together, such as two copies; `remark` is what is special about them."""

    files: tuple[str, ...]
    remark: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (" = ".join(self.files), self.remark) if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a dataset: a sentence with figures, and the first `MAX_CASES` of `count` cases.

    `kind` is for programs.
    """

    kind: str
    severity: Severity
    sentence: str
    cases: tuple[Case, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, kind: str, severity: Severity, sentence: str, cases: Sequence[Case] = ()) -> "Finding":
        """Return a finding with as many of the cases as are named."""
        return cls(kind, severity, sentence, tuple(cases[:MAX_CASES]), len(cases))

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is named, once."""
        return tuple(dict.fromkeys(file for case in self.cases for file in case.files))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, worst first; `passed` are sentences on checks without one, `not_made` on checks not made.

    `counts`: class → (images to train on, images to test on), readable ones of classes with training images.
    """

    name: str
    source: str
    counts: Mapping[str, tuple[int, int]]
    findings: tuple[Finding, ...]
    passed: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        order = list(SEVERITIES)
        ordered = sorted(self.findings, key=lambda finding: order.index(finding.severity))
        object.__setattr__(self, "findings", tuple(ordered))

    @property
    def images(self) -> int:
        """The number of images that are counted."""
        return sum(map(sum, self.counts.values()))

    @property
    def may_train(self) -> bool:
        """Whether training can start."""
        return all(finding.severity != "stop" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        about = f"{self.images:,} images of {len(self.counts):,} {'class' if len(self.counts) == 1 else 'classes'}"
        if not self.may_train:
            return f"{about}: not ready to train"
        warnings = sum(finding.severity == "warn" for finding in self.findings)
        return f"{about}: ready to train" + (f", with {warnings} warning{'s' * (warnings != 1)}" if warnings else "")

    def to_dict(self) -> dict[str, Any]:
        """Return what `imgrec doctor --format json` prints."""
        keys = ("kind", "severity", "sentence", "count", "cases")
        return {
            "name": self.name,
            "source": self.source,
            "verdict": self.verdict,
            "may_train": self.may_train,
            "pictures": self.images,
            "classes": {label: {"train": train, "test": test} for label, (train, test) in self.counts.items()},
            "findings": [{key: fields[key] for key in keys} for fields in map(asdict, self.findings)],
            "passed": list(self.passed),
            "not_made": list(self.not_made),
        }
