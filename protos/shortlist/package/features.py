"""What a graph may be fed with: the one list of features, which server and training both build by.

B requests, L history positions (max_history of the graph), C candidates, S sources, D dimensions of a space.
"""

from dataclasses import dataclass
from typing import Final

BATCH, HISTORY, CANDIDATES, SOURCES, DIMENSIONS = "batch", "history", "candidates", "sources", "dimensions"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """dtype as NumPy spells it; axes out of the constants above. `argument` says what stands behind the colon."""

    dtype: str
    axes: tuple[str, ...]
    argument: str = ""


FEATURES: Final[dict[str, FeatureSpec]] = {
    "history.items": FeatureSpec("int64", (BATCH, HISTORY)),
    "history.types": FeatureSpec("int64", (BATCH, HISTORY)),
    "history.values": FeatureSpec("float32", (BATCH, HISTORY)),
    "history.recency_days": FeatureSpec("float32", (BATCH, HISTORY)),
    "history.vectors": FeatureSpec("float32", (BATCH, HISTORY, DIMENSIONS), "space"),
    "candidate.items": FeatureSpec("int64", (BATCH, CANDIDATES)),
    "candidate.vectors": FeatureSpec("float32", (BATCH, CANDIDATES, DIMENSIONS), "space"),
    "candidate.retrieval_scores": FeatureSpec("float32", (BATCH, CANDIDATES, SOURCES)),
    "candidate.numeric": FeatureSpec("float32", (BATCH, CANDIDATES), "attribute"),
    "context": FeatureSpec("float32", (BATCH,), "name"),
}

SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature as a manifest names it, taken apart: "history.vectors:SPACE" has the argument SPACE."""

    name: str
    argument: str
    spec: FeatureSpec

    @property
    def is_history(self) -> bool:
        """True when it describes the history of the user."""
        return HISTORY in self.spec.axes

    @property
    def is_candidate(self) -> bool:
        """True when it describes candidates."""
        return CANDIDATES in self.spec.axes


def parse_feature(text: str) -> Feature:
    """Take a feature's name apart. ValueError says what is wrong with it and which features there are."""
    if text.startswith("context."):
        name, argument = "context", text.removeprefix("context.")
    else:
        name, _, argument = text.partition(":")
    spec = FEATURES.get(name)
    if spec is None:
        raise ValueError(f"{text!r:.80} is not a feature; there are {', '.join(known_features())}")
    if text != _form(name, argument) or bool(argument) != bool(spec.argument):
        raise ValueError(f"{text!r:.80} is not a feature; did you mean {_form(name, spec.argument.upper())}?")
    return Feature(name, argument, spec)


def known_features() -> list[str]:
    """Every feature in the form in which a manifest writes it."""
    return [_form(name, spec.argument.upper()) for name, spec in FEATURES.items()]


def _form(name: str, argument: str) -> str:
    separator = "." if name == "context" else ":"
    return f"{name}{separator}{argument}" if argument else name
