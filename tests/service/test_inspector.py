"""The page at ``/``: who gets it, with which headers, and that its policy admits what is in it and nothing else."""

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.service.harness import Reply, Running, make_settings, running
from verifier.evidence.envelope import MAX_EVIDENCE_BYTES

TEXT, HTML = "text/plain", "text/html"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ASSETS = ("explanation.js", "inspector.css", "inspector.html", "inspector.js")
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|setTimeout|DOMParser|srcdoc|import\("
)


@pytest.fixture(scope="module")
def page(service: Running) -> Reply:
    """The page."""
    return service.call("GET", "/", Accept=BROWSER)


@pytest.fixture(scope="module")
def text(page: Reply) -> str:
    """Its text."""
    return page.body.decode()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("text/*", TEXT),
        (BROWSER, HTML),
        ("text/html", HTML),
        ("text/plain;q=0.5, text/html", HTML),
        ("text/html;q=0, */*", TEXT),
        ("application/json", None),
    ],
)
def test_browsers_get_a_page_and_everybody_else_a_list(
    service: Running, accept: str | None, media_type: str | None
) -> None:
    """Whoever tries it with curl would see markup, or whoever opens it in a browser no page."""
    reply = service.call("GET", "/", **({} if accept is None else {"Accept": accept}))

    if media_type is None:
        assert (reply.status, reply.problem) == (406, "not-acceptable")
    else:
        assert (reply.status, reply.headers["Content-Type"]) == (200, f"{media_type}; charset=utf-8")
        assert reply.headers["Vary"] == "Accept"
        assert b"/v1/explain" in reply.body


def directives(page: Reply) -> dict[str, str]:
    """The page's Content-Security-Policy."""
    parts = (part.strip().partition(" ") for part in page.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize(("element", "directive"), [("script", "script-src"), ("style", "style-src")])
def test_the_policy_admits_the_one_script_and_the_one_style_by_hash(
    page: Reply, text: str, element: str, directive: str
) -> None:
    """The page would be dead, or something else in it alive."""
    [content] = re.findall(rf"<{element}\b[^>]*>(.*?)</{element}>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    assert directives(page)[directive] == f"'sha256-{digest}'"
    assert text.count(f"<{element}") == 1


def test_the_policy_admits_nothing_else(page: Reply) -> None:
    """A mistake in the page would be a way in."""
    closed = {name: value for name, value in directives(page).items() if name not in {"script-src", "style-src"}}

    assert closed == {
        "default-src": "'none'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-cache"),
    ],
)
def test_the_page_says_how_to_handle_it(page: Reply, header: str, value: str) -> None:
    """Other pages could look into it, or see where somebody came from."""
    assert page.headers[header] == value


def test_nothing_in_the_page_is_code_in_an_attribute_or_comes_from_elsewhere(text: str) -> None:
    """The policy would block it, and the page would lack it."""
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)

    assert not re.search(r"""\son[a-z]+\s*=|\sstyle\s*=|javascript:|<(?:iframe|object|embed|base|img)\b""", markup)
    links = re.findall(r"""\b(?:href|src|action)\s*=\s*["']?([^"'\s>]+)""", markup)
    assert links
    assert all(re.match(r"#|data:image/svg|v1/|openapi\.json|\.well-known/", link) for link in links), links
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_script_has_no_way_from_text_to_markup(text: str) -> None:
    """A document's words could become elements."""
    assert not SINKS.search(text)


def test_the_page_is_small_and_knows_how_large_a_document_may_be(text: str) -> None:
    """It would be slow on a phone, or send what is refused."""
    assert len(text.encode()) < 40_000
    assert f'data-max-bytes="{MAX_EVIDENCE_BYTES}"' in text
    assert not re.search("@[a-z_]+@", text)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_page_that_is_known_is_not_sent_again(service: Running, page: Reply, form: str) -> None:
    """Every visit would cost the whole page."""
    reply = service.call("GET", "/", Accept=BROWSER, If_None_Match=form.format(page.headers["ETag"]))

    assert (reply.status, reply.body) == (304, b"")
    kept = ("ETag", "Cache-Control", "Vary", "Content-Security-Policy")
    assert [reply.headers[name] for name in kept] == [page.headers[name] for name in kept]


@pytest.mark.parametrize("tag", ['"other"', "nonsense", '"', ""])
def test_a_page_that_is_not_known_is_sent(service: Running, page: Reply, tag: str) -> None:
    """A browser would go on with the page of another release."""
    assert service.call("GET", "/", Accept=BROWSER, If_None_Match=tag).body == page.body


def test_the_tag_is_the_pages_digest(page: Reply) -> None:
    """Two replicas of a release would seem to have different pages, or two releases the same."""
    assert page.headers["ETag"] == f'"{hashlib.sha256(page.body).hexdigest()}"'


def test_its_head_alone_can_be_asked_for(service: Running, page: Reply) -> None:
    """Monitors do."""
    reply = service.call("HEAD", "/", Accept=BROWSER)

    assert (reply.status, reply.body, reply.headers["ETag"]) == (200, b"", page.headers["ETag"])


def test_turned_off_there_is_the_list_for_everybody(tmp_path: Path) -> None:
    """Who does not want a page would have one all the same."""
    with running(make_settings(tmp_path, inspector="off")) as service:
        browser = service.call("GET", "/", Accept=BROWSER)
        strict = service.call("GET", "/", Accept=HTML)
        explained = service.call("POST", "/v1/explain?policy=open", b"noise", Content_Type="application/cose")

    assert (browser.status, browser.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert strict.problem == "not-acceptable"
    assert explained.status == 200


def test_the_pages_files_are_in_the_wheel(checkout: Path, tmp_path: Path) -> None:
    """Installed elsewhere than in a checkout, the service would not start."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=checkout, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")

    folder = checkout / "verifier" / "service" / "page"
    with zipfile.ZipFile(wheel) as packed:
        for name in ASSETS:
            assert packed.read(f"verifier/service/page/{name}") == (folder / name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == list(ASSETS)
