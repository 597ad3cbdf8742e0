"""Devices that announce themselves are found by asking once, from a port of our own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.links.mdns_responder import (
    LOOPBACK,
    PTR,
    Announced,
    announcing,
    loopback_does_multicast,
    message,
    packed,
    record,
)

from ampacity.links.mdns import GROUP, Heard, NoNetwork, Service, search

SHELLY = Announced()
METER = Announced(
    kind="_hwenergy._tcp",
    name="p1meter-334455",
    host="p1meter-334455.local",
    address="10.0.0.10",
    text={"api_enabled": "1"},
)


async def found(kinds: Sequence[str], where: tuple[str, int], wait_s: float = 0.6) -> list[Service]:
    return await search(kinds, interfaces=["lo"], group=where, wait_s=wait_s)


async def test_a_device_is_found_with_its_place_and_what_it_tells() -> None:
    async with announcing(SHELLY) as (_, where):
        (service,) = await found(["_shelly._tcp"], where)
    assert service == Service(
        kind="_shelly._tcp",
        name="shellypro3em-aabbcc",
        host="shellypro3em-aabbcc.local",
        port=80,
        addresses=("10.0.0.9",),
        text={"gen": "2", "app": "Pro3EM"},
    )


async def test_what_was_not_told_at_once_is_asked_for() -> None:
    async with announcing(SHELLY, whole=False) as (_, where):
        (service,) = await found(["_shelly._tcp"], where)
    assert (service.port, service.addresses, service.text["gen"]) == (80, ("10.0.0.9",), "2")


async def test_a_question_that_was_lost_is_asked_again() -> None:
    async with announcing(SHELLY, deaf_to=1) as (_, where):
        assert len(await found(["_shelly._tcp"], where)) == 1


async def test_several_devices_and_kinds_are_found_in_the_order_asked_for() -> None:
    other = Announced(name="shellypro3em-000001", host="other.local", address="10.0.0.11")
    async with announcing(METER, SHELLY, other) as (_, where):
        services = await found(["_shelly._tcp", "_hwenergy._tcp"], where)
    assert [one.name for one in services] == ["shellypro3em-000001", "shellypro3em-aabbcc", "p1meter-334455"]


async def test_a_kind_that_was_not_asked_for_is_not_told() -> None:
    async with announcing(SHELLY, METER) as (_, where):
        assert [one.kind for one in await found(["_hwenergy._tcp"], where)] == ["_hwenergy._tcp"]


async def test_a_name_with_a_dot_and_a_space_is_one_name() -> None:
    """RFC 6763, 4.1.1."""
    async with announcing(Announced(name="Meter\\. left 1", host="m.local")) as (_, where):
        (service,) = await found(["_shelly._tcp"], where)
    assert service.name == "Meter. left 1"


async def test_questions_may_be_answered_to_us_alone() -> None:
    """RFC 6762, 5.4."""
    async with announcing(SHELLY) as (responder, where):
        await found(["_shelly._tcp"], where)
    assert {class_ for _, _, class_ in responder.asked} == {0x8001}


async def test_an_answer_from_another_port_is_passed_over() -> None:
    """RFC 6762, 6."""
    async with announcing(SHELLY) as (responder, where), announcing(METER) as (_, elsewhere):
        del responder
        heard = Heard()
        heard.take(message([SHELLY.records()[PTR]]), LOOPBACK)
        assert len(heard.services(["_shelly._tcp"])) == 1
        assert await found(["_hwenergy._tcp"], where) == []
        assert len(await found(["_hwenergy._tcp"], elsewhere)) == 1


async def test_where_nobody_answers_nothing_is_found() -> None:
    async with announcing(SHELLY, deaf_to=1000) as (_, where):
        assert await found(["_shelly._tcp"], where, wait_s=0.1) == []


async def test_without_a_network_it_says_so() -> None:
    with pytest.raises(NoNetwork):
        await search(["_shelly._tcp"], interfaces=["no-such-interface"], wait_s=0.1)


@pytest.mark.skipif(not loopback_does_multicast(GROUP[0]), reason="no multicast on loopback here")
async def test_a_device_is_found_by_real_multicast() -> None:
    async with announcing(SHELLY, group=GROUP[0]) as (_, where):
        (service,) = await found(["_shelly._tcp"], where)
    assert service.addresses == ("10.0.0.9",)


def test_a_device_that_tells_no_address_is_where_it_answered_from() -> None:
    heard = Heard()
    heard.take(message([SHELLY.records()[PTR]]), "10.0.0.77")
    (service,) = heard.services(["_shelly._tcp"])
    assert (service.addresses, service.port, service.host) == (("10.0.0.77",), 0, "")


def test_a_question_is_no_answer() -> None:
    heard = Heard()
    heard.take(message([SHELLY.records()[PTR]], flags=0), LOOPBACK)
    assert heard.services(["_shelly._tcp"]) == []


def test_text_that_would_move_the_cursor_does_not_reach_the_terminal() -> None:
    heard = Heard()
    for one in Announced(name="a\x1b[2Jb", text={"k\x1b": "v\x07"}).records().values():
        heard.take(message([one]), LOOPBACK)
    (service,) = heard.services(["_shelly._tcp"])
    assert (service.name, service.text) == ("a?[2Jb", {"k?": "v?"})


def test_a_pointer_to_something_else_is_no_service() -> None:
    heard = Heard()
    heard.take(message([record("_shelly._tcp.local", PTR, packed("a._other._tcp.local"))]), LOOPBACK)
    heard.take(message([record("_shelly._tcp.example.org", PTR, packed("a._shelly._tcp.example.org"))]), LOOPBACK)
    assert heard.services(["_shelly._tcp"]) == []


GOOD = message(list(SHELLY.records().values()))


@given(st.binary(max_size=300))
@example(b"")
@example(GOOD[:-1])
@example(GOOD[:12])
@example(GOOD[:12] + b"\xc0\x0c" + GOOD[14:])
def test_whatever_comes_is_passed_over_or_understood(data: bytes) -> None:
    heard = Heard()
    heard.take(data, LOOPBACK)
    heard.services(["_shelly._tcp"])
    heard.open_questions(["_shelly._tcp"])


@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_an_answer_with_a_wrong_byte_does_no_harm(place: int, byte: int) -> None:
    heard = Heard()
    heard.take(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :], LOOPBACK)
    for service in heard.services(["_shelly._tcp"]):
        assert all(one.isprintable() for one in service.name + service.host)
