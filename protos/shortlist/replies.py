"""What the client returns: plain frozen dataclasses, independent of protobuf."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one item of the user's history contributed to a recommended item."""

    item_id: str
    title: str
    contribution: float


@dataclass(frozen=True, slots=True)
class BecauseOf:
    """Items of the user's history speak for the item; the strongest first."""

    source: str
    contributions: tuple[Contribution, ...]

    def __str__(self) -> str:
        names = ", ".join(part.title or part.item_id for part in self.contributions)
        return f"because of {names}"


@dataclass(frozen=True, slots=True)
class FoundBy:
    """A source found the item at this place of its list (from 1; 0: it only scored the item)."""

    source: str
    rank: int
    score: float

    def __str__(self) -> str:
        return f"{self.source} #{self.rank}" if self.rank else f"{self.source} scored it {self.score:.4g}"


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The item is popular, and nothing is known about the user; the place is 0 where the source only scored it."""

    source: str
    rank: int
    score: float

    def __str__(self) -> str:
        return f"{self.source} #{self.rank}, for a new user" if self.rank else f"{self.source}, for a new user"


@dataclass(frozen=True, slots=True)
class HeadScore:
    """The probability that one head of the ranker gave, and the weight it had."""

    name: str
    probability: float
    weight: float


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """The parts of an item's score; `ranker` is None when the ranker did not run."""

    fused: float
    ranker: float | None
    heads: tuple[HeadScore, ...]
    boost: float
    diversity_penalty: float

    def __str__(self) -> str:
        ranker = "" if self.ranker is None else f", ranker {self.ranker:.4g}"
        return f"fused {self.fused:.4g}{ranker}, boost {self.boost:.4g}"


Reason = BecauseOf | FoundBy | ColdStart | ScoreParts


@dataclass(frozen=True, slots=True)
class RankedItem:
    """One item of an answer. Scores are comparable within one answer only."""

    item_id: str
    score: float
    title: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Degradation:
    """Something left out of an answer: the stage, the source (or ""), the reason ("cold_start", "late", ...)."""

    stage: str
    source: str
    reason: str
    detail: str

    def __str__(self) -> str:
        what = f"{self.stage} {self.source}" if self.source else self.stage
        return f"{what}: {self.detail or self.reason}"


@dataclass(frozen=True, slots=True)
class PackageVersion:
    """The model package that answered."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class ItemError:
    """A candidate that was not ranked: "unknown" to the catalogue, or a "duplicate"."""

    item_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A field of a request that is wrong."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An ordered answer, best item first.

    `timings_ms` maps stages to milliseconds in the order of the stages; `degraded` says what was left out and why;
    `experiments` maps experiments to arms; `relevance_lost` is what re-ranking cost; `item_errors` are the
    candidates of `rank` that were not ranked.
    """

    items: tuple[RankedItem, ...]
    package: PackageVersion
    timings_ms: dict[str, float]
    degraded: tuple[Degradation, ...]
    experiments: dict[str, str]
    relevance_lost: float
    item_errors: tuple[ItemError, ...] = ()
