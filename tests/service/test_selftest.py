"""The known-answer self-test: it would notice, and it opens no door."""

from pathlib import Path

import pytest

from tests.service import known_answer
from tests.service.harness import make_settings, running
from verifier.service import selftest
from verifier.service.selftest import SelfTest
from verifier.trust.ecdsa import EngineName


@pytest.mark.parametrize("engine", EngineName)
def test_it_passes_with_each_engine(engine: EngineName) -> None:
    """Readiness would depend on the engine."""
    assert SelfTest(engine).passes()


def test_it_fails_when_a_good_document_is_refused() -> None:
    """A verifier that refuses everything would be ready."""
    test = SelfTest()
    test._document = b"something else"

    assert not test.passes()


def test_its_data_is_what_the_software_nsm_makes() -> None:
    """Bytes that nobody can make again cannot be checked."""
    for name, data in known_answer.make().items():
        assert (known_answer.FOLDER / name).read_bytes() == data


def test_its_root_is_trusted_nowhere_else(tmp_path: Path) -> None:
    """Its key can be made by anybody who reads this repository."""
    document = (known_answer.FOLDER / "document.cbor").read_bytes()
    with running(make_settings(tmp_path)) as service:
        service.clock.offset = selftest.SIGNED_AT - service.clock()
        reply = service.verify(document, "policy=open")
        anchors = service.call("GET", "/.well-known/nitro-verifier").json["anchors"]

    assert reply.reasons == ["path.root-untrusted"]
    assert selftest.ROOT_SHA256 not in [anchor["sha256"] for anchor in anchors]


def test_a_build_that_fails_it_does_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would judge with something that cannot tell good from bad."""
    from verifier.reasons import ConfigurationError  # noqa: PLC0415 - beside its use
    from verifier.service.state import make_service  # noqa: PLC0415 - as above

    monkeypatch.setattr(selftest, "NONCE", b"another answer")

    with pytest.raises(ConfigurationError, match="self-test"):
        make_service(make_settings(tmp_path))
