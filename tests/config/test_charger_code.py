"""A charger's code survives the label, the camera and the keyboard; a typing error does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.config.charger_code import (
    LONGEST_ID,
    CodeMistyped,
    NoCode,
    NoIdentity,
    code_of,
    link_of,
    ocpp_id_of,
)

SHOWN = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")
IDS = st.text(SHOWN, min_size=1, max_size=LONGEST_ID).filter(str.isprintable)
USUAL = st.text("abcXYZ019-_.:/ #", min_size=1, max_size=LONGEST_ID)
BASE = "https://ampacity.local:8443"


@given(IDS | USUAL)
def test_a_code_tells_the_identity(ocpp_id: str) -> None:
    assert ocpp_id_of(code_of(ocpp_id)) == ocpp_id


@given(IDS | USUAL)
def test_a_link_tells_the_identity(ocpp_id: str) -> None:
    link = link_of(ocpp_id, BASE)
    assert link.isascii()
    assert ocpp_id_of(link) == ocpp_id


def test_a_code_stays_what_is_printed_on_labels() -> None:
    assert code_of("CP-left") == "AMP:1:CP-left:XC977"
    assert link_of("CP left/1", BASE + "/") == "https://ampacity.local:8443/link#AMP:1:CP%20left%2F1:N4YZ9"


@given(IDS | USUAL)
def test_small_letters_and_lookalikes_in_the_check_are_forgiven(ocpp_id: str) -> None:
    code = code_of(ocpp_id)
    check = code[-5:]
    assert ocpp_id_of(f"  amp:1:{ocpp_id}:{check.lower().replace('0', 'o').replace('1', 'l')}\n") == ocpp_id


@given(IDS | USUAL, st.data())
def test_every_single_typing_error_is_found(ocpp_id: str, data: st.DataObject) -> None:
    code = code_of(ocpp_id)
    place = data.draw(st.integers(0, len(code) - 1))
    typed = data.draw(SHOWN | st.sampled_from("AMP:1O0lI"))
    wrong = data.draw(
        st.sampled_from(
            [
                code[:place] + typed + code[place + 1 :],
                code[:place] + code[place + 1 :],
                code[:place] + typed + code[place:],
                code[:place] + code[place + 1 : place + 2] + code[place] + code[place + 2 :],
                code[:place] + code[place].swapcase() + code[place + 1 :],
            ]
        )
    )
    try:
        assert ocpp_id_of(wrong) == ocpp_id  # what does not matter is no error
    except (NoCode, CodeMistyped):
        assert wrong != code


@given(st.text(max_size=80) | st.text(":AMP1htps/#%", max_size=80))
def test_whatever_is_typed_is_a_code_or_is_told_to_be_none(text: str) -> None:
    try:
        ocpp_id = ocpp_id_of(text)
    except (NoCode, CodeMistyped) as error:
        assert error.what
        assert error.remedy
    else:
        assert code_of(ocpp_id)


@pytest.mark.parametrize(
    "text", ["", "CP-left", "AMP:2:CP-left:XC977", "AMP:1:CP-left", "https://ampacity.local/link", "http://[#AMP:1:a:b"]
)
def test_what_is_no_code_is_told_to_be_none(text: str) -> None:
    with pytest.raises(NoCode):
        ocpp_id_of(text)


def test_a_wrong_character_is_told_to_be_a_typing_error() -> None:
    with pytest.raises(CodeMistyped, match="mistyped"):
        ocpp_id_of("AMP:1:CP-lift:XC977")


@pytest.mark.parametrize("ocpp_id", ["", "x" * 49, "a\nb", "a\u200bb"])
def test_an_identity_that_can_not_be_typed_gets_no_code(ocpp_id: str) -> None:
    with pytest.raises(NoIdentity):
        code_of(ocpp_id)
