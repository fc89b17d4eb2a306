"""The inspector page in a browser: what is asked, and what is shown of a document."""

import base64
import json
import re
from pathlib import Path

import pytest

from issuer.nsm import build_pcrs
from tests.browser.chromium import Page
from tests.browser.inspector import codes, explain, give, open_all, outcomes, submit
from tests.service.harness import Running, enclave
from verifier import read_policy

VECTORS = [
    ("affirmed.builds.third-of-three", {}),
    ("measurement.pcr-mismatch.mixed-builds", {"build": "✗ failed"}),
    ("signature.invalid.altered-module-id", {"signature": "✗ failed", "build": "(ok)"}),
    ("document.field-unrecognised.unknown-field", {"known-fields": "✗ failed"}),
]


@pytest.mark.parametrize(("case", "expected"), VECTORS)
@pytest.mark.parametrize("form", ["hex", "base64", "base64url", "lines"])
def test_a_vector_that_is_pasted_is_explained(
    page: Page, checkout: Path, case: str, expected: dict[str, str], form: str
) -> None:
    """Somebody would be told something else than the service says."""
    vector = json.loads((checkout / "vectors" / "cases" / f"{case}.json").read_text())
    evidence = (checkout / "vectors" / vector["evidence"]).read_bytes()
    texts = {
        "hex": evidence.hex(),
        "base64": base64.b64encode(evidence).decode(),
        "base64url": base64.urlsafe_b64encode(evidence).rstrip(b"=").decode(),
        "lines": base64.encodebytes(evidence).decode(),
    }
    policy = Path(vector["policy"]).stem
    text = explain(page, texts[form], policy, nonce=vector["nonce"], when="other", at=vector["at"])

    assert codes(page) == vector["expected"]["reasons"]
    assert outcomes(page) | expected == outcomes(page)
    assert "EXPLANATION, NOT A VERDICT" in text
    assert "As of 2026-01-01 00:00:00Z, not now." in text
    assert not re.search(r"\b(affirmed|rejected)\b", page.text("#explanation"))
    assert f"{len(evidence)} bytes" in page.text("#document-read")


def test_a_document_of_another_build_is_explained_in_words(page: Page, service: Running) -> None:
    """An operator would see hexadecimal digits alone."""
    text = explain(page, enclave(build="evil").attestation(nonce=service.nonce()), "payments")

    assert "1 of 14 checks failed: build" in text
    assert "Its origin is proven" in text
    assert "v1: differs in the whole image" in text
    assert f"✗ {build_pcrs('payments v1')[0].hex()[:12]}" in text
    assert "The image was rebuilt" in text
    assert page.script("document.activeElement.id") == "explanation-title"  # where a screen reader goes on
    page.script("document.querySelector('#checks a').click()")
    assert page.script("document.querySelector('.reasons li:target code').innerText") == "measurement.pcr-mismatch"


def test_everything_that_an_unproven_document_says_is_marked(page: Page, service: Running) -> None:
    """A forger's words would pass for facts."""
    good = enclave().attestation(nonce=service.nonce())
    text = explain(page, good[:-1] + bytes([good[-1] ^ 1]), "payments")

    assert "Who made this is NOT proven" in text
    shown = outcomes(page)
    assert shown["envelope"] == shown["anchor"] == shown["policy"] == "✓ ok"
    assert (shown["signature"], shown["build"], shown["nonce"]) == ("✗ failed", "(ok)", "(ok)")
    titles = page.script("[...document.querySelectorAll('#explanation section h2')].map(title => title.innerText)")
    marked = [title.removesuffix(" unproven") for title in titles if title.endswith(" unproven")]
    assert marked == [
        "Measurements beside the policy's builds", "Clock", "Certificates", "Identity", "What the document says",
    ]  # fmt: skip
    assert page.script("document.querySelector('#snippet')") is None


def test_the_snippet_for_a_policy_comes_with_its_warning_and_is_right(page: Page, service: Running) -> None:
    """Somebody would trust whatever runs, or paste what is refused."""
    explain(page, enclave().attestation(nonce=service.nonce()), "payments")
    assert not page.script("document.querySelector('#snippet').open")
    open_all(page)
    warning = page.text("#snippet .notice")
    snippet = page.text("#snippet code")
    page.script("document.querySelector('#snippet button').click()")
    page.wait_for("document.querySelector('#snippet [role=status]').innerText")

    assert "Circular as a source of trust." in warning
    assert page.script("document.querySelector(document.querySelector('#snippet .notice a').hash).innerText")
    policy = read_policy(f'name = "x"\n{snippet}')
    assert [policy.builds[0].pcrs[index] for index in (0, 1, 2)] == [
        build_pcrs("payments v1")[index] for index in (0, 1, 2)
    ]
    assert page.text("#snippet [role=status]")


def test_a_debug_enclaves_measurements_are_not_offered(page: Page) -> None:
    """A policy of zeros would be refused, or admit any enclave in debug mode."""
    text = explain(page, enclave(debug=True).attestation(), "lab")

    assert "yes: PCR0, PCR1 and PCR2 are zero" in text
    assert page.script("document.querySelector('#snippet')") is None


@pytest.mark.parametrize("form", ["binary", "text"])
def test_a_file_is_read_whichever_form_it_has(page: Page, service: Running, tmp_path: Path, form: str) -> None:
    """A file that was saved as hex would be taken for the document itself."""
    document = enclave().attestation(nonce=service.nonce())
    file = tmp_path / "<b>document.cbor"
    file.write_bytes(document if form == "binary" else document.hex().encode() + b"\n")
    root = page.command("DOM.getDocument")["root"]["nodeId"]
    node = page.command("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    page.command("DOM.setFileInputFiles", nodeId=node, files=[str(file)])
    page.wait_for("document.querySelector('#document-read').innerText.includes('bytes')")
    give(page, "policy", "payments")

    read = "binary" if form == "binary" else "hex"
    assert page.text("#document-read") == f"<b>document.cbor: read as {read}: {len(document)} bytes"
    assert "nothing is wrong in 14 checks" in submit(page).lower()
    page.script("document.querySelector('#clear').click()")
    assert page.text("#document-read") == "nothing yet"


def test_a_file_can_be_dropped_on_the_page(page: Page, service: Running, tmp_path: Path) -> None:
    """The browser would leave the page and show the file."""
    file = tmp_path / "document.cbor"
    file.write_bytes(enclave().attestation(nonce=service.nonce()))
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.command("Input.dispatchDragEvent", type=kind, x=20, y=20, data=data)
    page.wait_for("document.querySelector('#document-read').innerText.includes('bytes')")

    assert page.text("#document-read").startswith("document.cbor: read as binary")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"policy": "open"}, "There is no document yet"),
        ({"document": "hEShATgi"}, "Choose a policy"),
        ({"document": "hEShATgi!", "policy": "open"}, 'there is a "!" in it'),
        ({"document": "hEShA", "policy": "open"}, "Not whole as base64"),
        ({"document": "00" * 16385, "policy": "open"}, "16385 bytes: this service takes at most 16384."),
        ({"document": " " * 65536 + "00", "policy": "open"}, "65538 characters"),
        ({"document": "00", "policy": "open", "nonce": "?"}, "nonce: not hex, base64 or base64url"),
        ({"document": "00", "policy": "open", "when": "other", "at": "yesterday"}, 'at: neither "document" nor a time'),
    ],
)
def test_a_mistake_is_named(page: Page, fields: dict[str, str], complaint: str) -> None:
    """Somebody would sit before a page that does nothing."""
    for field, text in fields.items():
        give(page, field, text)
    submit(page)

    assert complaint in page.text("#problem")
    assert page.script("document.querySelector('#explanation').hidden")


def test_a_document_that_is_none_is_explained_too(page: Page) -> None:
    """The page would break where there is nothing to compare."""
    text = explain(page, b"noise", "payments")

    assert "1 of 2 checks failed: envelope" in text
    assert "What the document says" not in text


def test_an_explanation_goes_when_the_next_request_fails(page: Page, service: Running) -> None:
    """Somebody would read what was said of another document."""
    explain(page, enclave().attestation(nonce=service.nonce()), "payments")
    page.command(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    try:
        page.script("document.querySelector('#submit').click()")
        page.wait_for("document.querySelector('#problem').innerText")
    finally:
        page.command(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    assert page.text("#problem") == "The service did not answer."
    assert page.script("document.querySelector('#explanation').hidden")
