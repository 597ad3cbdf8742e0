"""Accounts, sign-ins, links and tokens: secrets are kept as hashes, links work once, an owner always stays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from ampacity.core.errors import AmpacityError
from ampacity.storage import sign_ins
from ampacity.storage.accounts import (
    Account,
    AccountUnknown,
    EmailInvalid,
    EmailTaken,
    LastOwner,
    account_by_email,
    account_by_id,
    all_accounts,
    change_account,
    digest,
    has_owner,
    keep_rehashed,
    normal_email,
    remove_account,
    set_password,
)
from ampacity.storage.database import Place, open_database
from ampacity.storage.errors import StorageError
from ampacity.storage.invitations import (
    INVITED_S,
    MOST_OPEN,
    RESET_S,
    LinkInvalid,
    LinkKind,
    TooManyLinks,
    accept,
    first_start,
    invite,
    link_of,
    make_first_start,
    make_reset,
    open_invitations,
    reset,
    take_back,
)
from ampacity.storage.records import changes
from ampacity.storage.tokens import MOST, TooManyTokens, all_tokens, make_token, remove_token, token_of, token_used

T = 1_800_000_000.0
DAY_S = 86400.0


@pytest.fixture
def owner(engine: Engine) -> Account:
    key = make_first_start(engine, T)
    assert key is not None
    return first_start(engine, key, name="Ann", email="ann@x.org", password_hash="h1", language="en", now_s=T)


def joined(engine: Engine, role: str, name: str) -> Account:
    _, key = invite(engine, role=role, name=name, who="Ann", now_s=T)
    person = {"name": name, "email": f"{name.lower()}@x.org", "password_hash": "h", "language": "en"}
    return accept(engine, key, now_s=T, **person)


def signed_in(engine: Engine, account: Account, now_s: float = T) -> tuple[sign_ins.SignedIn, str]:
    return sign_ins.begin(engine, account, device="Firefox on Linux", address="10.0.0.9", now_s=now_s)


def known(engine: Engine, secret: str, now_s: float = T) -> sign_ins.SignedIn | None:
    return sign_ins.signed_in(engine, digest(secret), now_s)


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    """With the patience of a running controller: some tests come from several threads."""
    engine = open_database(place)
    yield engine
    engine.dispose()


# --- e-mail ---


@pytest.mark.parametrize(
    ("written", "kept"),
    [(" Ann@Example.ORG ", "ann@example.org"), ("ａnn@x.org", "ann@x.org"), ("ann@localhost", "ann@localhost")],
)
def test_an_email_address_has_one_form(written: str, kept: str) -> None:
    assert normal_email(written) == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "@x.org", "ann@", "a nn@x.org", "ann@x.org, b@x.org", "ann@.org", "ann@x..org", "a\0@x.org"),
        *("a\n@x.de", "a" * 250 + "@x.org", "Ann <ann@x.org>", "ann@@x.org"),
    ],
)
def test_what_is_no_email_address_is_refused(text: str) -> None:
    with pytest.raises(EmailInvalid):
        normal_email(text)


# --- the first start ---


def test_the_first_start_makes_the_owner(engine: Engine, owner: Account) -> None:
    assert (owner.role, owner.email, owner.disabled) == ("owner", "ann@x.org", False)
    assert has_owner(engine)


def test_a_site_with_an_owner_has_no_first_start(engine: Engine, owner: Account) -> None:
    assert make_first_start(engine, T) is None


def test_a_first_start_works_once(engine: Engine) -> None:
    key = str(make_first_start(engine, T))
    first_start(engine, key, name="Ann", email="ann@x.org", password_hash="h", language="en", now_s=T)
    with pytest.raises(LinkInvalid):
        first_start(engine, key, name="Eve", email="eve@x.org", password_hash="h", language="en", now_s=T)
    assert [one.name for one in all_accounts(engine)] == ["Ann"]


def test_only_the_newest_link_to_the_first_start_works(engine: Engine) -> None:
    old, new = make_first_start(engine, T), make_first_start(engine, T)
    with pytest.raises(LinkInvalid):
        link_of(engine, LinkKind.FIRST_START, str(old), T)
    assert link_of(engine, LinkKind.FIRST_START, str(new), T).role == "owner"


def test_of_many_who_come_with_one_key_at_once_one_becomes_the_owner(engine: Engine) -> None:
    key = str(make_first_start(engine, T))

    def come(n: int) -> bool:
        try:
            first_start(engine, key, name=str(n), email=f"{n}@x.org", password_hash="h", language="en", now_s=T)
        except LinkInvalid:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(come, range(8))) == 1
    assert len(all_accounts(engine)) == 1


# --- invitations ---


def test_an_invitation_makes_an_account_of_its_role_and_is_used_up(engine: Engine, owner: Account) -> None:
    _, key = invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    made = accept(engine, key, name="B", email="b@x.org", password_hash="h", language="de", now_s=T)
    assert (made.role, made.language) == ("driver", "de")
    with pytest.raises(LinkInvalid):
        accept(engine, key, name="C", email="c@x.org", password_hash="h", language="de", now_s=T)
    assert open_invitations(engine, T) == []


def test_an_invitation_ends(engine: Engine, owner: Account) -> None:
    _, key = invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    with pytest.raises(LinkInvalid):
        link_of(engine, LinkKind.INVITATION, key, T + INVITED_S)


def test_an_invitation_that_is_taken_back_is_gone(engine: Engine, owner: Account) -> None:
    link, key = invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    assert take_back(engine, link.id, who="Ann", now_s=T)
    assert not take_back(engine, link.id, who="Ann", now_s=T)
    with pytest.raises(LinkInvalid):
        link_of(engine, LinkKind.INVITATION, key, T)


def test_a_link_of_one_kind_does_not_open_another(engine: Engine, owner: Account) -> None:
    _, key = invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    with pytest.raises(LinkInvalid):
        reset(engine, key, "h2", T)
    assert link_of(engine, LinkKind.INVITATION, key, T).name == "Ben"


def test_an_address_that_is_taken_leaves_the_invitation_usable(engine: Engine, owner: Account) -> None:
    _, key = invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    with pytest.raises(EmailTaken):
        accept(engine, key, name="B", email="ann@x.org", password_hash="h", language="en", now_s=T)
    assert accept(engine, key, name="B", email="b@x.org", password_hash="h", language="en", now_s=T).name == "B"


def test_open_invitations_are_bounded(engine: Engine, owner: Account) -> None:
    for _ in range(MOST_OPEN):
        invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    with pytest.raises(TooManyLinks):
        invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    invite(engine, role="driver", name="Ben", who="Ann", now_s=T + INVITED_S)
    assert len(open_invitations(engine, T + INVITED_S)) == 1


# --- passwords ---


def test_a_reset_sets_the_password_and_signs_out_everywhere(engine: Engine, owner: Account) -> None:
    _, secret = signed_in(engine, owner)
    account, key = make_reset(engine, "ann@x.org", who="the terminal", now_s=T)
    assert reset(engine, key, "h2", T) == account
    found = account_by_email(engine, "ann@x.org")
    assert found is not None
    assert found[1] == "h2"
    assert known(engine, secret) is None


def test_a_reset_works_once_and_for_an_hour_and_the_newest_only(engine: Engine, owner: Account) -> None:
    _, old = make_reset(engine, "ann@x.org", who="the terminal", now_s=T)
    _, new = make_reset(engine, "ann@x.org", who="the terminal", now_s=T)
    for key, at_s in ((old, T), (new, T + RESET_S)):
        with pytest.raises(LinkInvalid):
            reset(engine, key, "h2", at_s)
    reset(engine, new, "h2", T)
    with pytest.raises(LinkInvalid):
        reset(engine, new, "h3", T)


def test_a_reset_does_not_open_a_disabled_account(engine: Engine, owner: Account) -> None:
    ben = joined(engine, "driver", "Ben")
    change_account(engine, ben.id, disabled=True, who="Ann", now_s=T)
    _, key = make_reset(engine, "ben@x.org", who="the terminal", now_s=T)
    with pytest.raises(LinkInvalid):
        reset(engine, key, "h2", T)


def test_a_reset_of_nobody_is_an_error(engine: Engine) -> None:
    with pytest.raises(AccountUnknown):
        make_reset(engine, "nobody@x.org", who="the terminal", now_s=T)


def test_a_new_password_ends_the_other_sign_ins_and_open_links(engine: Engine, owner: Account) -> None:
    here, secret = signed_in(engine, owner)
    _, other = signed_in(engine, owner)
    _, key = make_reset(engine, "ann@x.org", who="the terminal", now_s=T)
    set_password(engine, owner.id, "h2", who="Ann", now_s=T, keep_sign_in=here.id)
    assert known(engine, secret) is not None
    assert known(engine, other) is None
    with pytest.raises(LinkInvalid):
        link_of(engine, LinkKind.RESET, key, T)


def test_a_rehash_never_overwrites_a_password_that_was_changed_meanwhile(engine: Engine, owner: Account) -> None:
    set_password(engine, owner.id, "h2", who="Ann", now_s=T)
    keep_rehashed(engine, owner.id, "h1", "h1 again")
    assert (account_by_id(engine, owner.id) or (None, ""))[1] == "h2"


# --- the last owner ---


def test_the_last_owner_can_not_be_removed_disabled_or_demoted(engine: Engine, owner: Account) -> None:
    joined(engine, "installer", "Ina")
    for change in ({"disabled": True}, {"role": "driver"}, {"role": "installer"}):
        with pytest.raises(LastOwner):
            change_account(engine, owner.id, who="Ann", now_s=T, **change)
    with pytest.raises(LastOwner):
        remove_account(engine, owner.id, who="Ann", now_s=T)
    assert account_by_id(engine, owner.id) == (owner, "h1")


def test_a_disabled_owner_does_not_count_as_one(engine: Engine, owner: Account) -> None:
    second = joined(engine, "owner", "Olga")
    change_account(engine, second.id, disabled=True, who="Ann", now_s=T)
    with pytest.raises(LastOwner):
        remove_account(engine, owner.id, who="Ann", now_s=T)


def test_owners_who_remove_each_other_at_once_leave_one(engine: Engine, owner: Account) -> None:
    two = [owner, joined(engine, "owner", "Olga")]

    def remove(one: Account) -> None:
        with suppress(LastOwner):
            remove_account(engine, one.id, who="the other", now_s=T)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(remove, two))
    assert len(all_accounts(engine)) == 1


def test_a_removed_account_leaves_nothing_and_its_number_is_never_another_s(engine: Engine, owner: Account) -> None:
    ben = joined(engine, "driver", "Ben")
    _, secret = signed_in(engine, ben)
    remove_account(engine, ben.id, who="Ann", now_s=T)
    assert known(engine, secret) is None
    assert account_by_id(engine, ben.id) is None
    assert joined(engine, "driver", "Cleo").id > ben.id


# --- sign-ins ---


def test_a_sign_in_ends_after_thirty_days_without_use(engine: Engine, owner: Account) -> None:
    made, secret = signed_in(engine, owner)
    assert known(engine, secret, T + 30 * DAY_S - 1) == made
    assert known(engine, secret, T + 30 * DAY_S) is None


def test_use_makes_a_sign_in_last_but_half_a_year_at_most(engine: Engine, owner: Account) -> None:
    made, secret = signed_in(engine, owner)
    for day in range(20, 180, 20):
        sign_ins.seen(engine, made.id, address="10.0.0.8", now_s=T + day * DAY_S)
        assert known(engine, secret, T + day * DAY_S) is not None
    sign_ins.seen(engine, made.id, address="10.0.0.8", now_s=T + 179 * DAY_S)
    assert known(engine, secret, T + 180 * DAY_S) is None


def test_whoever_is_disabled_is_signed_out_for_good(engine: Engine, owner: Account) -> None:
    ben = joined(engine, "driver", "Ben")
    _, secret = signed_in(engine, ben)
    change_account(engine, ben.id, disabled=True, who="Ann", now_s=T)
    assert known(engine, secret) is None
    change_account(engine, ben.id, disabled=False, who="Ann", now_s=T)
    assert known(engine, secret) is None


def test_a_sign_in_is_ended_by_its_own_account_only_where_that_is_asked(engine: Engine, owner: Account) -> None:
    ben = joined(engine, "driver", "Ben")
    made, _ = signed_in(engine, owner)
    assert not sign_ins.end(engine, made.id, who="Ben", now_s=T, account=ben.id)
    assert sign_ins.end(engine, made.id, who="Ann", now_s=T, account=owner.id)
    assert not sign_ins.end(engine, made.id, who="Ann", now_s=T)


def test_an_account_has_a_bounded_number_of_sign_ins(engine: Engine, owner: Account) -> None:
    first = signed_in(engine, owner)[1]
    for n in range(1, sign_ins.MOST_EACH + 1):
        signed_in(engine, owner, T + n)
    assert len(sign_ins.all_sign_ins(engine, T + 100, owner.id)) == sign_ins.MOST_EACH
    assert known(engine, first, T + 100) is None


# --- kiosks ---


def test_a_kiosk_belongs_to_no_account_lasts_and_has_a_new_secret(engine: Engine, owner: Account) -> None:
    made, secret = signed_in(engine, owner)
    enrolled = sign_ins.enrol_kiosk(engine, made.id, name="Garage", language="ca", who="Ann", now_s=T)
    assert enrolled is not None
    kiosk, new = enrolled
    assert known(engine, secret) is None
    assert known(engine, new, T + 3000 * DAY_S) == kiosk
    assert (kiosk.account, kiosk.language, kiosk.until_s) == (None, "ca", None)


def test_a_kiosk_is_unlocked_for_five_minutes_and_locked_again(engine: Engine, owner: Account) -> None:
    made, _ = signed_in(engine, owner)
    _, secret = sign_ins.enrol_kiosk(engine, made.id, name="G", language="en", who="Ann", now_s=T) or (None, "")
    assert sign_ins.unlock(engine, made.id, who="G", now_s=T) == T + 300
    assert getattr(known(engine, secret), "unlocked_until_s", None) == T + 300
    sign_ins.lock(engine, made.id, who="G", now_s=T)
    assert getattr(known(engine, secret), "unlocked_until_s", 1) is None


def test_a_person_s_sign_in_can_not_be_unlocked_as_a_kiosk(engine: Engine, owner: Account) -> None:
    made, _ = signed_in(engine, owner)
    assert sign_ins.unlock(engine, made.id, who="Ann", now_s=T) is None


# --- tokens ---


def test_a_token_is_known_until_it_ends(engine: Engine, owner: Account) -> None:
    made = {"account": owner.id, "name": "HA", "scopes": ["wish", "read"], "who": "Ann", "now_s": T}
    token, secret = make_token(engine, until_s=T + 10, **made)  # type: ignore[arg-type]
    assert secret.startswith("amp_")
    assert token_of(engine, digest(secret), T + 9) == token
    assert token_of(engine, digest(secret), T + 10) is None
    assert token.scopes == {"read", "wish"}


def test_a_token_is_good_only_while_its_maker_is_an_owner(engine: Engine, owner: Account) -> None:
    olga = joined(engine, "owner", "Olga")
    secrets = [
        make_token(engine, account=one, name="t", scopes=["read"], until_s=None, who="Ann", now_s=T)[1]
        for one in (owner.id, olga.id)
    ]
    change_account(engine, olga.id, role="driver", who="Ann", now_s=T)
    assert [token_of(engine, digest(one), T) is not None for one in secrets] == [True, False]


def test_a_removed_token_is_unknown(engine: Engine, owner: Account) -> None:
    token, secret = make_token(engine, account=owner.id, name="t", scopes=["read"], until_s=None, who="Ann", now_s=T)
    token_used(engine, token.id, T + 5)
    assert [one.seen_s for one in all_tokens(engine)] == [T + 5]
    assert remove_token(engine, token.id, who="Ann", now_s=T)
    assert not remove_token(engine, token.id, who="Ann", now_s=T)
    assert token_of(engine, digest(secret), T) is None


def test_tokens_are_bounded(engine: Engine, owner: Account) -> None:
    for _ in range(MOST):
        make_token(engine, account=owner.id, name="t", scopes=["read"], until_s=None, who="Ann", now_s=T)
    with pytest.raises(TooManyTokens):
        make_token(engine, account=owner.id, name="t", scopes=["read"], until_s=None, who="Ann", now_s=T)


# --- what is kept ---


def test_no_secret_stands_in_the_database_or_the_audit(engine: Engine, tmp_path: Path) -> None:
    start = str(make_first_start(engine, T))
    ann = first_start(engine, start, name="Ann", email="ann@x.org", password_hash="the-hash", language="en", now_s=T)
    _, cookie = signed_in(engine, ann)
    _, join = invite(engine, role="driver", name="Ben", who="Ann", now_s=T)
    _, again = make_reset(engine, "ann@x.org", who="the terminal", now_s=T)
    _, token = make_token(engine, account=ann.id, name="t", scopes=["read"], until_s=None, who="Ann", now_s=T)
    with engine.connect() as connection:
        told = [
            str(row)
            for table in inspect(engine).get_table_names()
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    assert not [secret for secret in (start, cookie, join, again, token) for row in told if secret in row]
    assert not [line for line in changes(engine) if "the-hash" in str(line)]


def test_each_change_has_a_line_in_the_audit(engine: Engine, owner: Account) -> None:
    change_account(engine, owner.id, name="Anna", who="Ann", now_s=T + 1)
    line = changes(engine)[-1]
    assert (line.at_s, line.who, line.key, line.old, line.new) == (
        T + 1, "Ann", f"accounts.{owner.id}.name", "Ann", "Anna",
    )  # fmt: skip


def test_a_change_that_changes_nothing_has_no_line(engine: Engine, owner: Account) -> None:
    before = len(changes(engine))
    change_account(engine, owner.id, name="Ann", disabled=False, who="Ann", now_s=T)
    assert len(changes(engine)) == before


def test_every_refusal_has_a_code_and_a_remedy() -> None:
    kinds = (LastOwner, EmailTaken, EmailInvalid, AccountUnknown, LinkInvalid, TooManyLinks, TooManyTokens)
    assert all(kind.code != AmpacityError.code and kind.remedy for kind in kinds)


def test_a_database_that_is_gone_is_an_error_of_the_storage(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE account")
    with pytest.raises(StorageError):
        has_owner(engine)
