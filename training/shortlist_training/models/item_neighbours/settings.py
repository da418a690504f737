"""Settings of `item_neighbours`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemNeighboursSettings:
    """Item kNN.

    Attributes:
        num_neighbours: how many neighbours of an item are kept. Beyond 200 the lists of shops of a few thousand items
            hold mostly similarities of one shared user.
        user_exponent: an interaction of a user with n items weighs n ** -user_exponent; those who take everything
            say little about similarity. 0.5 makes the rows of the matrix vectors of one length.
        half_life_days: age at which an interaction counts half; None counts all alike.
        shrinkage: added to the denominator of the cosine, in interactions.
        history_decay: weight of a history item per step back from the newest.
        max_history: the last so many items of a history count.
    """

    num_neighbours: int = 200
    user_exponent: float = 0.5
    half_life_days: float | None = None
    shrinkage: float = 0.0
    history_decay: float = 0.9
    max_history: int = 50
