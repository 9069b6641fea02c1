"""The result of a dataset check: findings with their figures and files, and the checks that passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """`sentence` says it with figures; `cases` are the first `MAX_CASES` of `count`. `kind` is for programs."""

    kind: str
    severity: Severity
    sentence: str
    cases: tuple[Case, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, kind: str, severity: Severity, sentence: str, cases: list[Case] | None = None) -> "Finding":
        """With as many of the cases as are named."""
        cases = cases or []
        return cls(kind, severity, sentence, tuple(cases[:MAX_CASES]), len(cases))

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is named, once."""
        return tuple(dict.fromkeys(file for case in self.cases for file in case.files))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`findings` stand worst first. `passed` says what was looked at and is fine, `not_made` what was not looked at.

    `counts`: class → (images to train on, images to test on), readable ones of classes that can be learned alone.
    """

    name: str
    source: str
    counts: Mapping[str, tuple[int, int]]
    findings: tuple[Finding, ...]
    passed: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()
    images: int = field(init=False)

    def __post_init__(self) -> None:
        order = list(SEVERITIES)
        ordered = sorted(self.findings, key=lambda finding: order.index(finding.severity))
        object.__setattr__(self, "findings", tuple(ordered))
        object.__setattr__(self, "images", sum(map(sum, self.counts.values())))

    @property
    def may_train(self) -> bool:
        return all(finding.severity != "stop" for finding in self.findings)

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        about = f"{self.images:,} images of {len(self.counts):,} {'class' if len(self.counts) == 1 else 'classes'}"
        if not self.may_train:
            return f"{about}: not ready to train"
        if warnings := self.count("warn"):
            return f"{about}: ready to train, with {warnings} warning{'s' * (warnings != 1)}"
        return f"{about}: ready to train"

    def to_dict(self) -> dict[str, Any]:
        """As `imgrec doctor --format json` prints it."""
        return {
            "name": self.name,
            "source": self.source,
            "verdict": self.verdict,
            "may_train": self.may_train,
            "pictures": self.images,
            "classes": {label: {"train": train, "test": test} for label, (train, test) in self.counts.items()},
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "sentence": finding.sentence,
                    "count": finding.count,
                    "cases": [{"files": list(case.files), "remark": case.remark} for case in finding.cases],
                }
                for finding in self.findings
            ],
            "passed": list(self.passed),
            "not_made": list(self.not_made),
        }
