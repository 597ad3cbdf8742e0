"""Every family with a customer port reads its own samples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ampacity.core.site import MeterId
from ampacity.devices.catalogue import p1_families
from ampacity.devices.p1_family import P1Family, P1Sample
from ampacity.devices.readings import FrameAbsurd
from ampacity.links.p1 import P1Decoder
from ampacity.links.stream import Garbled

FAMILIES = p1_families()
SAMPLES = [(family, sample) for family in FAMILIES.values() for sample in family.samples]
MAIN = MeterId("main")


def decoder(family: P1Family, lines: int) -> P1Decoder:
    """Of a telegram in the clear, as samples are."""
    clear = replace(family, encrypted=False, specification="V5") if family.encrypted else family
    return P1Decoder(MAIN, clear, key="", lines=lines, nominal_v=[230.0])


@pytest.mark.parametrize(("family", "sample"), SAMPLES, ids=[family.id for family, _ in SAMPLES])
def test_a_sample_says_what_it_should(family: P1Family, sample: P1Sample) -> None:
    reading = decoder(family, family.phases)(sample.telegram, 5.0)
    assert reading.currents.values == pytest.approx(sample.currents, abs=1e-4)
    assert reading.powers is not None
    assert reading.powers.values == pytest.approx(sample.powers)
    assert (None if reading.voltages is None else reading.voltages.values) == sample.voltages
    assert reading.energy_import_wh == sample.energy_import_wh


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_family_has_a_source_and_says_how_well_it_is_verified(family: P1Family) -> None:
    assert family.source
    assert family.verified


@pytest.mark.parametrize(("family", "sample"), SAMPLES, ids=[family.id for family, _ in SAMPLES])
def test_a_telegram_with_a_changed_digit_is_garbled_where_there_is_a_check_sum(
    family: P1Family, sample: P1Sample
) -> None:
    changed = sample.telegram.replace("1-0:1.7.0(0", "1-0:1.7.0(9")
    if family.checked:
        with pytest.raises(Garbled):
            decoder(family, family.phases)(changed, 5.0)


def test_three_lines_can_not_be_read_from_a_meter_that_tells_their_sum() -> None:
    family = FAMILIES["p1-dsmr2"]
    with pytest.raises(FrameAbsurd, match="does not tell the power of 3 lines"):
        decoder(family, 3)(family.samples[0].telegram, 5.0)


def test_a_whole_ampere_is_never_read_as_less_than_power_and_voltage_tell() -> None:
    family = FAMILIES["p1-esmr5"]
    reading = decoder(family, 3)(family.samples[0].telegram, 5.0)
    assert reading.currents[0] == pytest.approx(2530 / 230)


def test_without_a_neutral_a_power_is_that_to_the_star_point() -> None:
    family = FAMILIES["p1-esmr5"]
    told = {"1-0:21.7.0": 2310.0, "1-0:41.7.0": 2310.0, "1-0:61.7.0": 2310.0}
    found = family.reading(MAIN, told, 5.0, 3, [400.0, 400.0 / 3**0.5])
    assert min(found.currents) > 9.9
