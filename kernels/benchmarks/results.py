"""What a run found, as it is written to the JSON file. Times are medians in seconds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One searcher at one number of queries."""

    name: str
    ours: bool
    exact: bool
    median_s: float
    fastest_s: float
    num_calls: int
    cores: float  # CPU time by wall-clock time
    agreement: float  # share of our ids that it found or replaced by an equal within float32 rounding
    speed: float  # the fastest exact peer's time by its own: 1 for that peer, above 1 faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All searchers at one number of queries, and the probe among them."""

    num_queries: int
    rows: list[Row]
    probe_bytes_per_s: float | None = None
    bandwidth_share: float | None = None  # bytes of int8 codes by our best time, by the probe's; for one query


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A filtered search beside the plain one."""

    name: str
    num_queries: int
    median_s: float
    plain_ratio: float  # its time by the plain search's


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the index in place."""

    name: str
    num_items: int
    median_s: float

    @property
    def items_per_s(self) -> float:
        """The rate."""
        return self.num_items / self.median_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Ratios are to the bytes of the float32 rows; None where this system does not tell."""

    index_ratio: float
    resident_ratio: float
    adding_peak_ratio: float | None
    search_peak_bytes: dict[str, int | None]  # by number of queries: the most that a search held beside the index


@dataclass(slots=True, kw_only=True)
class CaseResult:
    """All about one catalogue, filled in as it is measured."""

    case: str
    num_items: int
    dim: int
    k: int
    batches: list[Batch] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    memory: Memory | None = None
    statistics: dict[str, object] = field(default_factory=dict)  # of the index after its searches


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the run took place; `load` is how many processes computed in the minute before it."""

    cpu: str
    cores: int
    system: str
    load: float
    isa: str
    isas: list[str]
    versions: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Run:
    """A whole run."""

    machine: Machine
    settings: dict[str, object]
    cases: list[CaseResult] = field(default_factory=list)
    selection: list[Row] = field(default_factory=list)
