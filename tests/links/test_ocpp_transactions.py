"""Transactions that outlive connections, our restarts and a charger's repetitions."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.site import ChargerId
from ampacity.links.ocpp.transactions import Transactions


def _transactions() -> Transactions:
    numbers = count(101)
    return Transactions(ChargerId("left"), lambda: next(numbers))


def test_a_start_that_is_sent_again_is_the_same_transaction() -> None:
    transactions = _transactions()
    assert transactions.start(("tag", 1000), 1000) == (101, True)
    assert transactions.start(("tag", 1000), 1000) == (101, False)
    assert transactions.start(("tag", 2000), 2000) == (102, True)


def test_a_stop_that_is_sent_again_is_the_same_end() -> None:
    transactions = _transactions()
    transactions.start("begin", 1000)
    first, is_news = transactions.stop(101, 3500, "Local", 5.0)
    again, is_news_again = transactions.stop(101, 3500, "Local", 9.0)
    assert first.energy_wh == 2500
    assert again == first
    assert (is_news, is_news_again) == (True, False)


def test_the_end_of_an_older_transaction_does_not_end_the_current_one() -> None:
    transactions = _transactions()
    transactions.start("begin", 1000)
    ended, is_news = transactions.stop(55, 900, "PowerLoss", 5.0)
    assert (ended.session, ended.energy_wh, is_news) == ("55", None, False)
    assert transactions.current == 101


def test_an_unknown_transaction_that_ends_is_news_when_none_is_known() -> None:
    ended, is_news = _transactions().stop(55, 900, "Local", 5.0)
    assert (ended.session, is_news) == ("55", True)


def test_values_of_a_transaction_that_has_ended_do_not_start_it_again() -> None:
    transactions = _transactions()
    transactions.start("begin", 0)
    transactions.stop(101, 1, "", 1.0)
    assert not transactions.mention(101)
    assert transactions.current is None


def test_a_transaction_is_mentioned_as_news_once() -> None:
    transactions = _transactions()
    assert [transactions.mention(one) for one in (77, 77, None, 0, -1)] == [True, False, False, False, False]


def test_the_end_on_another_socket_is_not_ours() -> None:
    transactions = _transactions()
    number = transactions.foreign()
    assert not transactions.stop(number, 5, "", 1.0)[1]


@given(
    st.lists(
        st.tuples(st.just("start"), st.integers(0, 3))
        | st.tuples(st.just("stop"), st.none() | st.integers(-1, 110))
        | st.tuples(st.just("mention"), st.none() | st.integers(-1, 110)),
        max_size=30,
    )
)
def test_a_session_is_told_to_end_at_most_once(steps: list[tuple[str, int]]) -> None:
    transactions = _transactions()
    ended = []
    for what, value in steps:
        if what == "start":
            transactions.start(value, 0)
        elif what == "mention":
            transactions.mention(value)
        else:
            end, is_news = transactions.stop(value, 10, "", 0.0)
            if is_news and end.session:
                ended.append(end.session)
    assert len(ended) == len(set(ended))


def test_a_register_that_is_lower_at_the_end_tells_no_energy() -> None:
    transactions = _transactions()
    transactions.start("begin", 1000)
    ended, _ = transactions.stop(101, 999, "Local", 5.0)
    assert ended.energy_wh is None


def test_a_register_below_zero_is_no_register() -> None:
    transactions = _transactions()
    transactions.start("begin", 1000)
    ended, _ = transactions.stop(101, -1, "Local", 5.0)
    assert (ended.meter_wh, ended.energy_wh) == (None, None)


# --- with names that the charger gave --------------------------------------------------------------------------------


def test_a_transaction_with_a_name_begins_once() -> None:
    transactions = _transactions()
    assert transactions.named("T1", 1000)
    assert not transactions.named("T1", 1000)
    ended, is_news = transactions.stop("T1", 9000, "Local", 5.0)
    assert (ended.session, ended.energy_wh, is_news) == ("T1", 8000, True)
    assert not transactions.named("T1", 1000)
    assert transactions.current is None


def test_a_begin_that_comes_after_its_transaction_was_mentioned_still_tells_the_register() -> None:
    transactions = _transactions()
    assert transactions.mention("T1")
    assert not transactions.named("T1", 500)
    assert transactions.stop("T1", 700, "", 5.0)[0].energy_wh == 200


def test_a_transaction_with_a_name_on_another_socket_is_not_ours() -> None:
    transactions = _transactions()
    transactions.leave("T2")
    assert transactions.is_foreign("T2")
    assert not transactions.stop("T2", 5, "", 1.0)[1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["named", "mention", "stop", "leave"]), st.sampled_from(["", "T1", "T2", "T3"])),
        max_size=30,
    )
)
def test_a_session_with_a_name_is_told_to_end_at_most_once(steps: list[tuple[str, str]]) -> None:
    transactions = _transactions()
    ended = []
    for what, name in steps:
        if what == "named" and name:
            transactions.named(name, 0)
        elif what == "mention":
            transactions.mention(name)
        elif what == "leave":
            transactions.leave(name)
        elif what == "stop":
            end, is_news = transactions.stop(name or None, 10, "", 0.0)
            if is_news and end.session:
                ended.append(end.session)
    assert len(ended) == len(set(ended))
