from __future__ import annotations

from tests.api.conftest import As


def test_what_is_not_there_is_told_as_a_problem(client_as: As) -> None:
    answer = client_as().get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not-found"
