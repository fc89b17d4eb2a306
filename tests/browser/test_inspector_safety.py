"""Nothing of a document comes alive in the inspector, and nothing of it goes elsewhere."""

import pytest

from tests.browser.chromium import Page
from tests.browser.conftest import STRANGE
from tests.browser.inspector import crafted, explain, open_all
from tests.service.harness import HOST, Running, enclave

STRANGE_FIELDS = {
    "<script>hacked=1</script>": 1,
    "<svg onload=hacked=1>": "<b>bold</b>",
    "\"'><a href=javascript:hacked=1>x</a>": None,
    "__proto__": None,
    "\u202e\x00 right to left": None,
}


@pytest.mark.parametrize("proven", [True, False], ids=["proven", "forged"])
def test_a_hostile_document_is_shown_as_text_and_stays_text(page: Page, service: Running, *, proven: bool) -> None:
    """Whoever sends somebody a document would run scripts in their browser."""
    document = crafted(module_id=STRANGE, **STRANGE_FIELDS)
    document = document if proven else document[:-1] + bytes([document[-1] ^ 1])
    elements = "document.querySelectorAll('img, svg, script, b, iframe').length"
    before = page.script(elements)
    explain(page, document, "strange")
    open_all(page)
    text = page.text("#explanation")

    assert ("Its origin is proven" in text) == proven
    assert text.count(STRANGE) >= 3  # the module, the build, the identity
    for name in ("<script>hacked=1</script>", "<svg onload=hacked=1>", "\"'><a href=javascript:hacked=1>x</a>"):
        assert name in text
    assert page.script("typeof hacked") == "undefined"
    assert page.script(elements) == before
    assert page.script("[...document.querySelectorAll('a')].every(link => link.protocol === location.protocol)")
    assert page.complaints() == []


def test_nothing_is_asked_of_anybody_else(page: Page, service: Running) -> None:
    """A document would be seen by others, or the page not work where there is no way out."""
    explain(page, enclave().attestation(nonce=service.nonce()), "payments")
    origin = f"http://{HOST}:{service.port}"

    asked = [url for url in page.requests() if not url.startswith("data:")]
    assert sorted(asked) == [f"{origin}/", f"{origin}/v1/explain", f"{origin}/v1/policies"]
    assert page.complaints() == []


@pytest.mark.parametrize("inline", ["script", "style"])
def test_the_browser_stops_what_the_page_did_not_bring(page: Page, inline: str) -> None:
    """The policy would be there and say nothing."""
    stopped = page.script(
        "new Promise(done => {"
        "addEventListener('securitypolicyviolation', event => done(event.effectiveDirective), {once: true});"
        f"const late = document.createElement('{inline}');"
        "late.append('body { display: none }'); document.head.append(late) })"
    )

    assert stopped in {f"{inline}-src-elem", "require-trusted-types-for"}
    assert page.script("getComputedStyle(document.body).display") == "block"


def test_text_cannot_become_markup_even_by_mistake(page: Page) -> None:
    """A later change to the script could open what this one keeps shut."""
    outcome = page.script(
        "(() => { try { document.body.innerHTML = '<b>'; return 'set' } catch (e) { return e.name } })()"
    )

    assert outcome == "TypeError"
