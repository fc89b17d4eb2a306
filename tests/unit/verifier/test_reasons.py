import re

import pytest

from verifier.reasons import ConfigurationError, Reason, Rejection

STAGES = {"evidence", "envelope", "document", "path", "signature", "freshness", "measurement", "binding"}


@pytest.mark.parametrize("reason", Reason)
def test_a_code_is_a_stage_and_a_fact(reason: Reason) -> None:
    """A code is a metric label and a heading: one that breaks the form breaks what is built on it."""
    assert re.fullmatch(r"[a-z]+\.[a-z]+(?:-[a-z]+)*", reason)
    assert reason.stage in STAGES
    assert reason.stage.upper() == reason.name.split("_")[0]
    assert reason.name.lower().replace("_", "-") == reason.value.replace(".", "-")


@pytest.mark.parametrize("reason", Reason)
def test_a_hint_is_a_sentence(reason: Reason) -> None:
    """An operator would be shown nothing to do."""
    assert reason.hint.endswith(".")
    assert 20 < len(reason.hint) <= 200


def test_a_reason_is_its_code_everywhere() -> None:
    """JSON and logs would show another word than the documentation."""
    assert f"{Reason.PATH_EXPIRED}" == Reason.PATH_EXPIRED.value == "path.expired"
    assert next(reason for reason in Reason if reason == "path.expired") is Reason.PATH_EXPIRED


def test_a_rejection_keeps_reason_and_detail() -> None:
    """A result would not say why."""
    rejection = Rejection(Reason.PATH_EXPIRED, "an hour ago")
    assert (rejection.reason, rejection.detail) == (Reason.PATH_EXPIRED, "an hour ago")
    assert Rejection(Reason.EVIDENCE_EMPTY).detail == ""


def test_a_configuration_error_names_each_problem() -> None:
    """Only the first mistake would be shown."""
    error = ConfigurationError("one", "two")
    assert error.problems == ("one", "two")
    assert str(error) == "one; two"
