"""The inspector page as a person uses it."""

import base64
import json
from datetime import UTC, datetime

import cbor2

from issuer.nsm.document import sign1
from tests.browser.chromium import Page
from tests.service.harness import enclave, pki


def give(page: Page, field: str, text: str) -> None:
    """Set a field as a person does, with the event that tells the page."""
    event = "change" if field in {"policy", "when"} else "input"
    page.script(
        f"(field => {{ field.value = {json.dumps(text)}; field.dispatchEvent(new Event('{event}')) }})"
        f"(document.getElementById('{field}'))"
    )


def submit(page: Page) -> str:
    """Press the button, and wait for an explanation or a complaint; give what is shown."""
    page.script("document.querySelector('#submit').click()")
    page.wait_for("document.querySelector('#explanation h2') || document.querySelector('#problem').innerText")
    return page.text("main")


def explain(page: Page, document: bytes | str, policy: str, **fields: str) -> str:
    """Paste a document, bytes as base64, and have it explained."""
    text = document if isinstance(document, str) else base64.b64encode(document).decode()
    for field, value in {"document": text, "policy": policy, **fields}.items():
        give(page, field, value)
    return submit(page)


def outcomes(page: Page) -> dict[str, str]:
    """The outcome of each check as it is shown."""
    rows = "[...document.querySelectorAll('#checks > li')]"
    shown = page.script(f"{rows}.map(row => [...row.children].slice(0, 2).map(cell => cell.innerText))")
    return {name: outcome for outcome, name in shown}


def codes(page: Page) -> list[str]:
    """The codes under "What to do"."""
    return list(page.script("[...document.querySelectorAll('.reasons code')].map(code => code.innerText)"))


def open_all(page: Page) -> None:
    """Unfold everything."""
    page.script("document.querySelectorAll('details').forEach(details => { details.open = true })")


def crafted(**changes: object) -> bytes:
    """A document of the throwaway PKI with anything in it, rightly signed."""
    at = datetime.now(UTC)
    nsm = enclave()
    chain = pki().issue(enclave_id=nsm.enclave_id, at=at)
    payload = cbor2.loads(cbor2.loads(nsm.attestation())[2])
    payload |= {"certificate": chain.certificate, "cabundle": list(chain.cabundle), **changes}
    return sign1(cbor2.dumps(payload), chain.key)
