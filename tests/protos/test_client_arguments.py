"""Arguments that cannot be sent: one line which names the argument and the value, before any call is made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from shortlist import Boost, Client, Diversity, Event, Filters, HistoryItem, Tls, encode
from shortlist.channel import is_loopback
from shortlist.options import RecommendOptions

EVENT = Event(user_id="u", item_id="i", type="buy", timestamp=1)
WRONG_OPTIONS: list[tuple[RecommendOptions, str]] = [
    ({"explain": "loud"}, "explain: 'loud' is not one of none, brief, full"),
    ({"fusion": "sum"}, "fusion: 'sum' is not one of weighted, rrf, round_robin, max, borda"),
    ({"normalisation": "l2"}, "normalisation: 'l2' is not one of minmax, zscore, none"),
    ({"diversity": Diversity(0.1, "random")}, "diversity.method: 'random' is not one of mmr, dpp"),
    ({"filters": Filters(availability="all")}, "filters.availability: 'all' is not one of available, any"),
    ({"filters": Filters(seen="no")}, "filters.seen: 'no' is not one of exclude, exclude_purchased, include"),
    ({"filters": Filters(deny="abc")}, "filters.deny: 'abc' is one text, not a sequence of texts"),
    ({"history": "abc"}, "history: 'abc' is one text, not a sequence of items"),
    ({"history": ["a", HistoryItem("b", 1)]}, "history: item ids and HistoryItems cannot be mixed"),  # type: ignore[typeddict-item]
    ({"history": [HistoryItem("b", 1, "buy")]}, "history.type: 'buy' is not one of view, click"),
    ({"sources": "popular"}, "sources: 'popular' is one text, not a sequence of texts"),
    ({"boosts": [Boost(amount=1)]}, "must name exactly one of item_id, category, attribute"),
    ({"boosts": [Boost(amount=1, item_id="a", category="b")]}, "must name exactly one of"),
    ({"k": 2**31}, "k: 2147483648 cannot be sent"),
    ({"k": "10"}, "k: '10' cannot be sent"),  # type: ignore[typeddict-item]
    ({"user_id": "\ud800"}, "user_id: '\\ud800' cannot be sent"),
    ({"filters": Filters(ranges={"price": 5})}, "filters.ranges['price']: 5 is not (minimum, maximum)"),  # type: ignore[dict-item]
    ({"filters": Filters(ranges={"price": (1,)})}, "filters.ranges['price']: (1,) is not (minimum, maximum)"),  # type: ignore[dict-item]
    ({"caps": {"category": 2**40}}, "max_items: 1099511627776 cannot be sent"),
]
WRONG_CLIENTS: list[tuple[Callable[[], Client], str]] = [
    (lambda: Client(""), "target: '' is not HOST:PORT"),
    (lambda: Client("localhost:1", token="a b"), "token: it must be printable ASCII without spaces"),
    (lambda: Client("localhost:1", token=""), "token: it must be printable ASCII without spaces"),
    (lambda: Client("example.org:443", token="t"), "token: it would travel in plain text to example.org:443"),
    (lambda: Client("localhost:1", tls=Tls(certificate="c.pem")), "tls: certificate and key come together"),
]


@pytest.mark.parametrize(("options", "message"), WRONG_OPTIONS)
def test_a_wrong_option_is_named_with_its_value(options: RecommendOptions, message: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        encode.recommend_request(options)
    assert message in str(caught.value)


def test_an_unknown_keyword_is_named() -> None:
    with pytest.raises(TypeError, match="unknown argument colour, size"):
        encode.recommend_request({"user_id": "u", "size": 1, "colour": 2})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(TypeError, match="unknown argument k"):
        encode.rank_request(["a"], {"k": 1})  # type: ignore[typeddict-unknown-key]


def test_an_unknown_event_type_is_named() -> None:
    with pytest.raises(
        ValueError, match="type: 'buy' is not one of view, click, cart, purchase, like, dislike, rating"
    ):
        list(encode.record_events_requests([EVENT]))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (["a", "b"], "vectors: numbers of type <U1 cannot be sent as float32"),
        ([1j], "vectors: numbers of type complex128"),
        ([None], "vectors: numbers of type object"),
        ([[1.0], [1.0, 2.0]], "vectors: rows of different lengths are no matrix"),
        (1.0, r"vectors: shape \(\) is neither \(D,\) nor \(Q, D\)"),
        (np.zeros((1, 1, 1)), r"vectors: shape \(1, 1, 1\) is neither"),
    ],
)
def test_vectors_that_are_no_float32_matrix_are_refused(vectors: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode.float32_matrix(vectors)  # type: ignore[arg-type]


@given(st_numpy.arrays("float32", st_numpy.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_vectors_travel_bit_for_bit(vectors_QD: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> None:
    queries = encode.search_request(vectors_QD, 1, "", (), ()).queries
    assert tuple(queries.shape) == vectors_QD.shape
    assert queries.data == vectors_QD.tobytes()


@pytest.mark.parametrize(("make", "message"), WRONG_CLIENTS)
def test_a_client_refuses_a_connection_that_cannot_be_right(make: Callable[[], Client], message: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        make()
    assert message in str(caught.value)


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"ca\.pem"):
        Client("localhost:1", tls=Tls(ca=tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    "target",
    [
        "localhost", "localhost:8500", "127.0.0.1:8500", "127.8.8.8:1", "[::1]:8500", "::1", "dns:localhost:1",
        "dns:///localhost:1", "dns://8.8.8.8/localhost:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1",
        "unix:/tmp/s",
    ],
)  # fmt: skip
def test_targets_on_this_machine_are_loopback(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "example.org:1", "10.0.0.1:1", "0.0.0.0:1", "[::]:1", "localhost.example.org:1", "127.0.0.1.example.org:1",
        "dns:///example.org:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "xds:///localhost", "dns://localhost/example.org:1",
    ],
)  # fmt: skip
def test_targets_elsewhere_are_not_loopback(target: str) -> None:
    assert not is_loopback(target)


@given(st.text())
def test_any_text_is_a_loopback_target_or_not(target: str) -> None:
    assert is_loopback(target) in {True, False}
