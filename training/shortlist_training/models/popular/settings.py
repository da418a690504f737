"""Settings of `popular`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PopularSettings:
    """Time-decayed popularity.

    Attributes:
        half_life_days: the age at which an event counts half; None counts all alike.
    """

    half_life_days: float | None = None
