from __future__ import annotations

from sqlalchemy import Engine

from ampacity.kept import KeptTags
from ampacity.runtime.tags import Tags
from ampacity.storage.records import changes


def test_tags_outlive_the_controller_with_who_added_them(engine: Engine) -> None:
    tags = Tags(KeptTags(lambda: engine), wall_s=lambda: 1000.0)
    tags.load()
    tags.add("04a1b2", name="Ann's card", account=None, who="Ann")
    tags.learn()
    tags.verdict("left", "ffee")  # type: ignore[arg-type]
    tags.flush()
    again = Tags(KeptTags(lambda: engine))
    again.load()
    assert [(one.tag, one.name, one.seen_s) for one in again.all()] == [
        ("04A1B2", "Ann's card", None),
        ("FFEE", "", 1000.0),
    ]
    again.remove("FFEE", who="Ann")
    assert [one.tag for one in Tags(KeptTags(lambda: engine)).all()] == []
    assert next((one.who, one.key) for one in changes(engine)) == ("Ann", "tags.04A1B2")
