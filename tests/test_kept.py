"""What outlives a restart of the controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampacity.kept import KNOCKING, KeptTallies, keep_diagnosis, keep_knocking, read_diagnosis, read_knocking
from ampacity.links.ocpp.admission import Knock
from ampacity.links.tally import Tally
from ampacity.storage.database import open_database, writing
from ampacity.storage.records import put_setting
from ampacity.storage.schema import tallies


def test_counts_of_every_device_go_on_over_a_restart(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    before = Tally(requests=5, timeouts=2)
    first = KeptTallies(lambda: engine)
    first.keep({"meter main": before})
    before.requests = 9
    first.keep({"meter main": before, "charger left": Tally(requests=1)})
    assert before.requests == 9
    main, left, new = Tally(requests=1), Tally(), Tally()
    KeptTallies(lambda: engine).keep({"meter main": main, "charger left": left, "meter new": new})
    assert (main.requests, main.timeouts, left.requests, new.requests) == (10, 2, 1, 0)
    engine.dispose()


def test_a_link_that_is_made_anew_counts_on(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    kept = KeptTallies(lambda: engine)
    kept.keep({"meter main": Tally(requests=5)})
    anew = Tally(requests=1)
    kept.keep({"meter main": anew})
    kept.keep({"meter main": anew})
    assert anew.requests == 6
    engine.dispose()


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"requests": "x"}'])
def test_a_damaged_count_is_none(body: str, tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    with writing(engine) as connection:
        connection.execute(tallies.insert().values(device="meter main", body=body))
    main = Tally(requests=1)
    KeptTallies(lambda: engine).keep({"meter main": main})
    assert main.requests == 1
    engine.dispose()


def test_the_newest_look_is_kept(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    assert read_diagnosis(engine) is None
    keep_diagnosis(engine, "1")
    keep_diagnosis(engine, "2")
    assert read_diagnosis(engine) == "2"
    keep_diagnosis(engine, "")
    assert read_diagnosis(engine) is None
    engine.dispose()


def test_who_knocks_is_kept_as_it_was_seen(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    assert read_knocking(engine) is None
    knock = Knock(ocpp_id="CP", address="10.0.0.9", first_s=1.5, last_s=2.5, why="charger-unknown", vendor="Acme")
    keep_knocking(engine, 3.5, [knock])
    assert read_knocking(engine) == (3.5, [knock])
    engine.dispose()


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"at_s": 1, "chargers": [{"who": 1}]}', '{"at_s": null, "chargers": []}']
)
def test_knocks_that_can_not_be_read_are_none(body: str, tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    with writing(engine) as connection:
        put_setting(connection, KNOCKING, body)
    assert read_knocking(engine) is None
    engine.dispose()
