"""Each quirk that chargers are known for, on a simulated charger that has it and calls itself as its family does: it is
controlled. The same charger taken for one without the quirk is not, where the quirk makes a difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from tests.links.jumping import in_jumping_time
from tests.links.quirk_yard import FAMILIES, GENERIC, Outcome, quirk_yard

from ampacity.devices.charger_family import ChargerFamily
from ampacity.sim.wire import quirks
from ampacity.sim.wire.profiles import DEFAULT, MAX, TX
from ampacity.sim.wire.quirks import Quirk

ABB_MEASURANDS = FAMILIES["abb-terra-ac"].measurands
ELVI_MEASURANDS = ("Current.Import", "Power.Active.Import", "Energy.Active.Import.Register")
ELVI_KEY = "evb_SupportedMeasurands"
NEVER_SENT = "nothing of ours sends what it breaks on: test_no_family_is_sent_another_purpose_or_told_what_breaks_some"
FOUND_OUT = "a form that it takes is found by trying"


@dataclass(frozen=True)
class Row:
    """Of the table of quirks."""

    quirk: str
    family: str
    has: Callable[[], Sequence[Quirk]]
    wrong: ChargerFamily | None = GENERIC
    """As such a one it is not controlled; None: it is as any one, and `why`."""
    why: str = ""
    low_a: float = 8.7
    phases: int = 3
    """Of the charger."""
    car_phases: int = 3


def row(quirk: str, family: str, *has: Callable[[], Quirk], **more: object) -> Row:
    return Row(quirk, family, lambda: [make() for make in has], **more)  # type: ignore[arg-type]


ROWS = [
    row("stack level must be 0: refused", "abb-terra-ac", quirks.OneLevel, wrong=None, why=FOUND_OUT),
    row("stack level must be 0: ignored", "abb-terra-ac", quirks.HigherLevelsIgnored),
    row("stack level must be 0: ignored", "wallbox-fw5", quirks.HigherLevelsIgnored),
    row("stack level must be 0: ignored", "wallbox-fw64", quirks.HigherLevelsIgnored),
    row("relative kind needed", "wallbox", quirks.RelativeOnly),
    row("limits on connector 1 only", "wallbox", quirks.ConnectorZeroIgnored),
    row("limits on connector 1 only", "wallbox-fw5", quirks.ConnectorZeroIgnored),
    row("limits on connector 1 only", "wallbox-fw64", quirks.ConnectorZeroIgnored),
    row("RemoteStartTransaction before limits", "wallbox-fw64", quirks.FollowsAfterRemoteStart),
    row("RemoteStartTransaction before limits", "wallbox-fw5", quirks.FollowsAfterRemoteStart),
    row("RemoteStartTransaction before limits", "autel", quirks.FollowsAfterRemoteStart),
    row("RemoteStartTransaction before limits", "easee", quirks.FollowsAfterRemoteStart),
    row("RemoteStartTransaction before limits", "grizzl-e", quirks.FollowsAfterRemoteStart),
    row("a fraction becomes 16 A", "wallbox", lambda: quirks.FractionsBecome(16.0)),
    row("a fraction becomes 16 A", "wallbox-fw5", lambda: quirks.FractionsBecome(16.0)),
    row("a fraction becomes 16 A", "wallbox-fw64", lambda: quirks.FractionsBecome(16.0)),
    row("ChargePointMaxProfile ignored", "grizzl-e", lambda: quirks.PurposeIgnored(MAX), wrong=None, why=NEVER_SENT),
    row("limits below 7 A ignored", "grizzl-e", lambda: quirks.LowLimitsIgnored(7.0), low_a=6.5),
    row(
        "TxProfile in watts ignored",
        "go-e",
        lambda: quirks.PurposeIgnored(TX, in_watts=True),
        wrong=replace(GENERIC, purpose="TxProfile", watts=True),
    ),
    row("jumps back when told the same again", "wallbox-fw64", quirks.JumpsWhenRepeated),
    row("ChargePointMaxProfile refused", "evbox-elvi", lambda: quirks.PurposeRefused(MAX), wrong=None, why=NEVER_SENT),
    row("watts only: amperes refused", "huawei", lambda: quirks.WattsOnly(refuses=True), wrong=None, why=FOUND_OUT),
    row("watts only: amperes ignored", "huawei", lambda: quirks.WattsOnly(refuses=False)),
    row("watts only, one phase", "huawei", lambda: quirks.WattsOnly(refuses=False), phases=1, car_phases=1),
    row("whole amperes", "go-e", lambda: quirks.Steps(*range(6, 33))),
    row("whole amperes", "grizzl-e", lambda: quirks.Steps(*range(7, 33))),
    row("steps 6/8/10/13/16 A", "necharge", lambda: quirks.Steps(6.0, 8.0, 10.0, 13.0, 16.0)),
    row("measurands make it reboot", "abb-terra-ac", lambda: quirks.RebootsOver(ABB_MEASURANDS)),
    row(
        "measurands to leave out", "evbox-elvi", lambda: quirks.SilentOver(["Current.Offered", "Power.Offered", "SoC"])
    ),
    row(
        "measurands to leave out",
        "wallbox-fw5",
        lambda: quirks.SilentOver(["Current.Offered", "Power.Offered"]),
        wrong=replace(GENERIC, measurands=("Current.Import", "Current.Offered")),
    ),
    row(
        "measurands named in a key of its own",
        "evbox-elvi",
        lambda: quirks.SilentOver(["Voltage", "SoC"], key=ELVI_KEY, known=",".join(ELVI_MEASURANDS)),
        wrong=replace(GENERIC, without_measurands=("SoC",)),
    ),
    row(
        "ChangeAvailability breaks it",
        "enplus",
        lambda: quirks.BreaksOn("ChangeAvailability"),
        wrong=None,
        why=NEVER_SENT,
    ),
    row("MeterValues no faster than 30 s", "easee", lambda: quirks.ReportsNoFasterThan(30)),
    row("MeterValues no faster than 60 s", "mennekes", lambda: quirks.ReportsNoFasterThan(60)),
    row("reports by the grid's phases", "evbox-elvi", lambda: quirks.ReportsByTheGrid("STR"), car_phases=1),
    row("reports by the grid's phases", "go-e", lambda: quirks.ReportsByTheGrid("TRS"), car_phases=1),
    row(
        "no GetCompositeSchedule",
        "go-e",
        lambda: quirks.Lacks("GetCompositeSchedule"),
        wrong=None,
        why="it is believed until its current says otherwise",
    ),
    row(
        "odd units, letters and lengths",
        "charge-amps",
        quirks.OddTexts,
        wrong=None,
        why="what is sent is read leniently",
    ),
    row(
        "odd units, letters and lengths",
        "schneider-evlink",
        quirks.OddTexts,
        wrong=None,
        why="what is sent is read leniently",
    ),
]
by_row = pytest.mark.parametrize("one", ROWS, ids=lambda one: f"{one.quirk} ({one.family})")
by_telling_row = pytest.mark.parametrize(
    "one", [one for one in ROWS if one.wrong is not None], ids=lambda one: f"{one.quirk} ({one.family})"
)


def _told(one: Row, treated_as: ChargerFamily | None) -> tuple[Outcome, str]:
    async def story() -> tuple[Outcome, str]:
        async with quirk_yard(FAMILIES[one.family], one.has(), treated_as=treated_as, phases=one.phases) as yard:
            await yard.connected()
            return await yard.story(low_a=one.low_a, phases=one.car_phases), yard.family.id

    return in_jumping_time(story)


@by_row
def test_a_charger_with_the_quirk_is_recognised_and_controlled(one: Row) -> None:
    is_guarded = not FAMILIES[one.family].is_endless
    assert _told(one, None) == (Outcome(follows=True, reports=True, falls=True, guarded=is_guarded), one.family)


@by_telling_row
def test_taken_for_one_without_the_quirk_it_is_not_controlled(one: Row) -> None:
    outcome, _ = _told(one, one.wrong)
    assert not outcome.is_controlled


TOLD_ELSEWHERE = {"generic", "garo", "foxess", "teison", "mennekes-4you"}
"""Below, and in test_ocpp_quirks_stories."""


def test_every_family_is_in_the_table() -> None:
    assert {one.family for one in ROWS} == set(FAMILIES) - TOLD_ELSEWHERE


# --- rows whose story is another one ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.id)
def test_no_family_is_sent_another_purpose_or_told_what_breaks_some(family: ChargerFamily) -> None:
    async def story() -> tuple[set[str], bool]:
        async with quirk_yard(family, []) as yard:
            await yard.connected()
            await yard.story()
            return yard.heard.purposes(), any(action == "ChangeAvailability" for action, _ in yard.heard.requests)

    assert in_jumping_time(story) == ({DEFAULT}, False)


async def _resumed(family: ChargerFamily, quirk: Quirk, treated_as: ChargerFamily | None) -> bool:
    """Whether it is at 10 A in the end, after a pause."""
    async with quirk_yard(family, [quirk], treated_as=treated_as) as yard:
        await yard.connected()
        await yard.tell(16.0)
        yard.plug_in()
        await yard.keep(16.0, 40.0)
        await yard.keep(0.0, 40.0)
        assert yard.drawn_a == 0.0
        await yard.keep(10.0, 40.0)
        return yard.is_at(10.0)


RESUMING = [
    pytest.param("go-e", quirks.FirstLimitAfterPauseIgnored, id="first limit after a pause ignored (go-e)"),
    pytest.param("garo", quirks.PausedUntilCleared, id="a pause needs more than a new profile (garo)"),
]


@pytest.mark.parametrize(("family", "quirk"), RESUMING)
def test_a_pause_ends_at_the_limit_that_was_told(family: str, quirk: Callable[[], Quirk]) -> None:
    assert in_jumping_time(lambda: _resumed(FAMILIES[family], quirk(), None))


@pytest.mark.parametrize(("family", "quirk"), RESUMING)
def test_without_the_familys_way_a_pause_does_not_end_at_the_limit(family: str, quirk: Callable[[], Quirk]) -> None:
    assert not in_jumping_time(lambda: _resumed(FAMILIES[family], quirk(), GENERIC))
