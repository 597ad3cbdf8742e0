"""What is a PostgreSQL server's own: that it may be away, slow, another's, and what it is told of secrets."""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import URL, text
from tests.postgres import Server, server
from tests.test_backup import backup, counts, file_with, house, lived_in

from ampacity.backup import stage, take_back
from ampacity.config.rewrite import set_value
from ampacity.config.site_toml import load
from ampacity.core.observations import SessionEnded, SessionStarted
from ampacity.core.site import ChargerId
from ampacity.storage import postgresql
from ampacity.storage.accounts import all_accounts
from ampacity.storage.database import open_database, writing
from ampacity.storage.errors import StorageError, StorageForeign
from ampacity.storage.records import finish_session, sessions_between, set_setting, setting, write_begin
from ampacity.storage.secrets import without_secrets
from ampacity.storage.store import Store


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that may be stopped."""
    with server() as one:
        yield one


def test_a_server_that_is_away_is_told_and_found_again(own: Server) -> None:
    with own.database() as url:
        store = Store(url)
        set_setting(store.engine(), "k", "1", who="Ann", wall_s=1.0)
        own.stop()
        with pytest.raises(StorageError):
            setting(store.engine(), "k")
        with pytest.raises(StorageError, match="can't be opened"):
            Store(url).engine()
        own.start()
        assert setting(store.engine(), "k") == "1"
        store.close()


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = URL.create("postgresql", "a", "geheim", "127.0.0.1", deaf.getsockname()[1], "d")
        with pytest.raises(StorageError, match="can't be opened") as caught:
            open_database(url)
        told = str(caught.value)
    assert "geheim" not in told
    assert "127.0.0.1" in told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the driver drops its socket unclosed
        del caught
        gc.collect()


def test_a_database_of_another_program_is_refused_and_left_alone(postgres: Server) -> None:
    with postgres.database() as url:
        engine = postgresql.engine_of(url, 1.0)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE theirs (id integer)"))
        with pytest.raises(StorageForeign, match="another program"):
            open_database(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM theirs")).scalar() == 0
        engine.dispose()


def test_a_database_that_is_not_there_is_told(postgres: Server) -> None:
    # Sometimes the server hangs up before the driver has read what it said.
    with pytest.raises(StorageError, match=r"does not exist|network error") as caught:
        open_database(postgres.url("nowhere"))
    assert "that database and role are there" in caught.value.remedy


def test_words_with_a_character_that_no_text_may_have_are_kept_without_it(postgres: Server) -> None:
    with postgres.database("ours") as url:
        engine = open_database(url)
        begun = SessionStarted(charger=ChargerId("c"), at_s=1.0, session="s\0", tag="ca\0rd")
        with writing(engine) as connection:
            write_begin(connection, begun, 1.0)
        ended = SessionEnded(charger=ChargerId("c"), at_s=1.0, session="s\0", energy_wh=1, reason="Lo\0cal")
        finish_session(engine, ended, 3.0)
        (one,) = sessions_between(engine, 0.0, 9.0)
        assert (one.session, one.tag, one.reason) == ("s", "CARD", "Local")
        engine.dispose()


def test_a_password_in_a_url_is_not_kept_with_the_text_of_the_site() -> None:
    kept = without_secrets('[storage]\nurl = "postgresql://ann:geheim@db.example.org/a"\n')
    assert kept == '[storage]\nurl = "postgresql://ann:***@db.example.org/a"\n'


@pytest.mark.parametrize("back", [False, True])
def test_a_site_moves_between_a_file_and_a_server_by_a_backup(postgres: Server, tmp_path: Path, back: bool) -> None:
    there = house(tmp_path / "there")
    lived_in(there)
    file = backup(there, tmp_path / "b.zip")
    site = house(tmp_path / "here", "Here").path
    with postgres.database("ours") as url:
        stage(file, site)
        take_back(site)
        set_value(site, "storage.file", None)
        moved = set_value(site, "storage.url", f"postgresql://ampacity@/{url.database}?host={postgres.sockets}")
        stage(file_with(file, moved.text, tmp_path), site)
        take_back(site)
        engine, old = open_database(load(site).storage.place), open_database(there.storage.place)
        assert counts(engine) == counts(old)
        assert [one.name for one in all_accounts(engine)] == ["Ann"]
        set_setting(engine, "more", "x", who="Ann", wall_s=9.0)
        if back:
            home = tmp_path / "home" / "site.toml"
            home.parent.mkdir()
            stage(file_with(backup(load(site), tmp_path / "c.zip"), there.text, tmp_path), home)
            take_back(home)
            kept = open_database(load(home).storage.place)
            assert counts(kept) == counts(engine)
            assert setting(kept, "more") == "x"
            kept.dispose()
        engine.dispose()
        old.dispose()


def test_under_tls_the_certificate_and_the_name_are_looked_at_where_it_is_asked_for(tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with server(tls=True) as one, one.database() as there:
        certificate = one.take("leaf.pem", b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key = one.take("leaf.key", leaf.private_key_pem.bytes())
        files = (f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
        one.stop()
        one.start("listen_addresses=127.0.0.1", f"port={port}", "ssl=on", *files)

        def is_secret(host: str, mode: str, *, rooted: bool) -> bool:
            query = {"sslmode": mode} | ({"sslrootcert": str(root)} if rooted else {})
            engine = open_database(URL.create("postgresql", "ampacity", None, host, port, there.database, query))
            with engine.connect() as connection:
                ssl = connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar()
            engine.dispose()
            return bool(ssl)

        assert is_secret("localhost", "verify-full", rooted=True)
        assert is_secret("localhost", "require", rooted=False)
        assert is_secret("localhost", "prefer", rooted=False)
        assert not is_secret("localhost", "disable", rooted=False)
        with pytest.raises(StorageError, match="verify failed"):
            is_secret("localhost", "verify-full", rooted=False)
        with pytest.raises(StorageError, match="verify failed"):
            is_secret("127.0.0.1", "verify-full", rooted=True)
        one.stop()
        one.start()
