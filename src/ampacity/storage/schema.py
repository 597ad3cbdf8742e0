"""The tables. Times are UTC seconds since 1970; blobs are zlib over msgpack, described where they are written."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bit; SQLite's always are."""

runs = Table(
    "run",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("started_s", Float, nullable=False),
    Column("monotonic_s", Float, nullable=False, doc="the controller's clock at that moment"),
    Column("version", String, nullable=False),
)
sites = Table(
    "site",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("run", BIG, nullable=False),
    Column("from_s", Float, nullable=False, doc="controller's clock; the site holds from this pass on"),
    Column("site", LargeBinary, nullable=False),
    Column("toml", String, nullable=False),
)
batches = Table(
    "batch",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("run", BIG, nullable=False),
    Column("first_s", Float, nullable=False, doc="controller's clock, of the first pass in it"),
    Column("last_s", Float, nullable=False),
    Column("wall_s", Float, nullable=False, doc="when it was written"),
    Column("passes", BIG, nullable=False),
    Column("body", LargeBinary, nullable=False, doc="the passes, see codec.Pass"),
    Column("first_pass", BIG, doc="its number in the run, lost ones counted; NULL before schema 0002"),
    Index("batch_by_time", "run", "first_s"),
)
snapshots = Table(
    "snapshot",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("run", BIG, nullable=False),
    Column("before_s", Float, nullable=False, doc="controller's clock: what was observed before this pass"),
    Column("wall_s", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("snapshot_by_time", "run", "before_s"),
)
gaps = Table(
    "gap",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("run", BIG, nullable=False),
    Column("first_s", Float, nullable=False),
    Column("last_s", Float, nullable=False),
    Column("passes", BIG, nullable=False),
    Column("why", String, nullable=False),
)
seconds = Table(
    "second",
    metadata,
    Column("minute", BIG, primary_key=True, doc="minutes since 1970"),
    Column("body", LargeBinary, nullable=False, doc="{series: 60 float32, NaN where nothing was seen}"),
)
rollups = Table(
    "rollup",
    metadata,
    Column("span_s", BIG, primary_key=True, doc="60 or 900"),
    Column("start_s", BIG, primary_key=True),
    Column("body", LargeBinary, nullable=False, doc="{series: [least, mean, most, seconds]}"),
)
sessions = Table(
    "session",
    metadata,
    Column("charger", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("started_s", Float),
    Column("ended_s", Float),
    Column("energy_wh", BIG),
    Column("reason", String),
    Column("begin_wh", BIG, doc="the charger's register at its begin; NULL where that was not seen"),
    Column("tag", String, doc="what was held to the charger, in the form of normal_tag; NULL: nothing, or not told"),
    Column("account", BIG, doc="whose it is; NULL: nobody's in particular"),
    Index("session_by_account", "account"),
)
events = Table(
    "event",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("code", String, nullable=False),
    Column("params", String, nullable=False, doc="JSON, names and values"),
    Index("event_by_time", "at_s"),
    sqlite_autoincrement=True,  # a page that asks for what is older must not get what is newer
)
event_evidence = Table(
    "event_evidence",
    metadata,
    Column("event", BIG, primary_key=True, autoincrement=False, doc="its id"),
    Column("body", String, nullable=False, doc="JSON, of which a picture is made; see commission.watch"),
)
tallies = Table(
    "tally",
    metadata,
    Column("device", String, primary_key=True, doc="`meter main`, `charger left`"),
    Column("body", String, nullable=False, doc="JSON, see links.tally"),
)
settings = Table(
    "setting",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("key", String, nullable=False),
    Column("old", String),
    Column("new", String),
)
accounts = Table(
    "account",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("name", String, nullable=False),
    Column("email", String, nullable=False, unique=True, doc="in the form of accounts.normal_email"),
    Column("role", String, nullable=False, doc="owner, installer or driver"),
    Column("language", String, nullable=False),
    Column("password_hash", String, nullable=False, doc="argon2id"),
    Column("disabled", Boolean, nullable=False),
    Column("made_s", Float, nullable=False),
    sqlite_autoincrement=True,  # what a removed account has left behind must never become another's
)
sign_ins = Table(
    "sign_in",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("secret_hash", String, nullable=False, unique=True, doc="SHA-256 of what the cookie holds"),
    Column("account", BIG, doc="NULL: a kiosk"),
    Column("language", String, doc="of a kiosk"),
    Column("device", String, nullable=False),
    Column("address", String, nullable=False, doc="where it was seen last"),
    Column("begun_s", Float, nullable=False),
    Column("seen_s", Float, nullable=False),
    Column("unlocked_until_s", Float, doc="of a kiosk; NULL: it is locked"),
    Index("sign_in_by_account", "account"),
    sqlite_autoincrement=True,
)
invitations = Table(
    "invitation",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("key_hash", String, nullable=False, unique=True, doc="SHA-256 of what the link holds"),
    Column("kind", String, nullable=False, doc="first-start, invitation or reset"),
    Column("role", String, nullable=False),
    Column("name", String, nullable=False),
    Column("account", BIG, doc="whose password is reset; NULL: of the other kinds"),
    Column("made_by", String, nullable=False),
    Column("made_s", Float, nullable=False),
    Column("until_s", Float, nullable=False),
    sqlite_autoincrement=True,
)
tags = Table(
    "tag",
    metadata,
    Column("tag", String, primary_key=True, doc="as chargers send it, in one form"),
    Column("name", String, nullable=False),
    Column("account", BIG, doc="whose it is; NULL: nobody's in particular"),
    Column("seen_s", Float, doc="when it was last held to a charger; NULL: never"),
)
tokens = Table(
    "token",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("secret_hash", String, nullable=False, unique=True, doc="SHA-256 of the token"),
    Column("account", BIG, nullable=False, doc="who made it: it is good as long as this is an owner"),
    Column("name", String, nullable=False),
    Column("scopes", String, nullable=False, doc="separated by spaces"),
    Column("made_s", Float, nullable=False),
    Column("seen_s", Float, doc="NULL: never used"),
    Column("until_s", Float, doc="NULL: without end"),
    sqlite_autoincrement=True,
)
