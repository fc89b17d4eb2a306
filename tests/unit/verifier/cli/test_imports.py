"""What is imported when: every start pays for it, and so does every process's memory."""

import gc
import os
import ssl
import subprocess
import sys

import pytest

from verifier.cli.imports import imports_without_certificates, uncollected_imports

LIBRARY = {"awscrt", "cbor2", "cryptography", "msgspec", "typing_extensions", "verifier"}
SERVICE = LIBRARY | {
    "aiohappyeyeballs",
    "aiohttp",
    "aiosignal",
    "attr",
    "click",
    "cython_runtime",
    "frozenlist",
    "idna",
    "joserfc",
    "multidict",
    "prometheus_client",
    "propcache",
    "uvloop",
    "yarl",
}
LOAD = "from verifier.cli.entry import commands; commands.commands['{}'].load()"
RUN = "from verifier.cli.entry import run; run({})"
CASES = {
    "the library": ("import verifier", LIBRARY),
    "--help": (RUN.format(["--help"]), LIBRARY | {"click"}),
    "policy --help": (RUN.format(["policy", "--help"]), LIBRARY | {"click"}),
    "verify": (LOAD.format("verify"), LIBRARY | {"click"}),
    "serve": (LOAD.format("serve") + "; import verifier.service.server, verifier.service.config", SERVICE),
    "serve --workers": (
        LOAD.format("serve") + "; import verifier.service.workers, verifier.service.config",
        SERVICE | {"gunicorn", "packaging"},
    ),
}
PRINT = "; import sys; print(); print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def imported_by(code: str) -> set[str]:
    """The packages of others that a process has imported after this."""
    done = subprocess.run([sys.executable, "-c", code + PRINT], check=True, capture_output=True, text=True)
    found = set(done.stdout.splitlines()[-1].split()) - sys.stdlib_module_names
    return {name for name in found if not name.startswith(("_", "sitecustomize"))}


@pytest.mark.parametrize("what", CASES)
def test_nobody_imports_what_others_need(what: str) -> None:
    """One import of a large package costs every start a tenth of a second, and every worker megabytes."""
    code, allowed = CASES[what]
    before = imported_by("pass")  # such as what measures coverage
    assert imported_by(code) - before <= allowed


def test_imports_are_not_searched_for_garbage_and_it_is_looked_for_again() -> None:
    """A service that never collects would grow, and one that walks all its modules would pause."""
    before = gc.get_freeze_count()
    try:
        with uncollected_imports():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("given", ["", "/some/certificates.pem"])
def test_the_environment_is_the_same_after_imports_without_certificates(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """What the service starts or reads later would miss what the operator set."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if given:
            monkeypatch.setenv(name, given)
        else:
            monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)

    with imports_without_certificates():
        inside = ssl.create_default_context().get_ca_certs()

    assert inside == []
    assert dict(os.environ) == before
