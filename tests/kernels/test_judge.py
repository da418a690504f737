"""Predicted ratings beside those of scikit-surprise, an independent implementation, on MovieLens-100K.

`make judge` installs scikit-surprise, fetches the data, which lies in a wheel of RecBole, and runs this. The data are
read from the .inter file that SHORTLIST_ML100K names, or from that wheel in build/.

Both choose the k most similar; scikit-surprise breaks ties by the order in which it was given the ratings. So it is
given those of the fold in order of user and item, which is what the smaller index means here.
"""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist_kernels import Csr, Interactions, predict_ratings

BUILD = Path(__file__).parents[2] / "build"
INSIDE = "recbole/dataset_example/ml-100k/ml-100k.inter"
CENTRINGS = {"KNNBasic": "none", "KNNWithMeans": "mean", "KNNBaseline": "baseline"}
SIMILARITIES = {"cosine": "co_rated_cosine", "pearson": "pearson"}
TOLERANCE = 1e-5
NUM_NEIGHBOURS = 40


class Fold(NamedTuple):
    """The train set in both forms, and the test ratings as scikit-surprise names them."""

    trainset: Any
    test: list[tuple[str, str]]
    ratings: Interactions
    users: NDArray[np.int64]  # of the test ratings, -1 where the train set lacks them
    items: NDArray[np.int64]


def inter_file(directory: Path) -> Path:
    """The data; skips where they are not at hand."""
    if "SHORTLIST_ML100K" in os.environ:
        return Path(os.environ["SHORTLIST_ML100K"])
    wheels = sorted(BUILD.glob("recbole-*.whl"))
    if not wheels:
        pytest.skip("needs MovieLens-100K: `make judge`, or SHORTLIST_ML100K=/path/to/ml-100k.inter")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(INSIDE, directory))


def positions(names: Iterable[str], known: list[str]) -> NDArray[np.int64]:
    places = {name: place for place, name in enumerate(known)}
    return np.array([places.get(name, -1) for name in names])


@pytest.fixture(scope="module")
def fold(tmp_path_factory: pytest.TempPathFactory) -> Fold:
    surprise = pytest.importorskip("surprise", reason="needs scikit-surprise: `make judge`")
    model_selection = pytest.importorskip("surprise.model_selection")
    reader = surprise.Reader(line_format="user item rating timestamp", sep="\t", skip_lines=1)
    data = surprise.Dataset.load_from_file(str(inter_file(tmp_path_factory.mktemp("judge"))), reader)
    shuffled, test = next(model_selection.KFold(n_splits=5, random_state=0).split(data))
    raw = [(shuffled.to_raw_uid(u), shuffled.to_raw_iid(i), rating) for u, i, rating in shuffled.all_ratings()]
    raw.sort(key=lambda entry: (int(entry[0]), int(entry[1])))
    known_users = sorted({user for user, _, _ in raw}, key=int)
    known_items = sorted({item for _, item, _ in raw}, key=int)
    rows = positions((user for user, _, _ in raw), known_users)
    ratings = Csr(
        np.searchsorted(rows, np.arange(len(known_users) + 1)).astype(np.int64),
        positions((item for _, item, _ in raw), known_items).astype(np.int32),
        np.array([rating for _, _, rating in raw], np.float32),
        (len(known_users), len(known_items)),
    )
    return Fold(
        data.construct_trainset([(*entry, None) for entry in raw]),
        [(user, item) for user, item, _ in test],
        Interactions.of(ratings),
        positions((user for user, _, _ in test), known_users),
        positions((item for _, item, _ in test), known_items),
    )


def test_the_fold_is_a_fifth_of_the_data_and_has_unknown_items(fold: Fold) -> None:
    assert (len(fold.test), fold.trainset.n_ratings) == (20_000, 80_000)
    assert (fold.items < 0).any()


@pytest.mark.parametrize("algorithm", CENTRINGS)
@pytest.mark.parametrize("axis", ["users", "items"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_prediction_of_the_fold_is_that_of_scikit_surprise(
    fold: Fold, algorithm: str, axis: str, similarity: str
) -> None:
    surprise = pytest.importorskip("surprise")
    options = {"name": similarity, "user_based": axis == "users"}
    judge = getattr(surprise, algorithm)(k=NUM_NEIGHBOURS, sim_options=options, verbose=False).fit(fold.trainset)
    expected = np.array([judge.predict(user, item, clip=False).est for user, item in fold.test])
    found = predict_ratings(
        fold.ratings,
        fold.users,
        fold.items,
        SIMILARITIES[similarity],
        k=NUM_NEIGHBOURS,
        centring=CENTRINGS[algorithm],
        axis=axis,
    )
    differences = np.abs(found - expected)
    print(f"{algorithm}, {similarity}, {axis}: {differences.size} ratings, largest difference {differences.max():.2e}")
    assert (differences <= TOLERANCE).all()
