"""The inspector for everybody: on a phone, in the dark, by keyboard and screen reader, without JavaScript."""

from itertools import pairwise

import pytest

from tests.browser.chromium import Page
from tests.browser.inspector import crafted, explain, open_all
from tests.service.harness import HOST, Running

# Every text whose contrast with what is behind it is below WCAG 2's 4.5 to 1.
CONTRAST = """
(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = channels(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return channels(getComputedStyle(document.body).backgroundColor);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [one, other] = [channels(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${walker.currentNode.data.slice(0, 40)}`);
  }
  return found;
})()
"""


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_narrow_screen_and_can_be_read(page: Page, service: Running, width: int, *, dark: bool) -> None:
    """Half of it would be off the screen, or too faint."""
    page.screen(width=width, dark=dark)
    explain(page, crafted(module_id="i" * 256, nonce=b"x" * 58), "strict")
    open_all(page)

    assert page.script("document.documentElement.scrollWidth") <= width
    faint = page.script(CONTRAST)
    assert faint == [], faint


def test_every_control_has_a_name_and_an_order(page: Page) -> None:
    """Nobody could use it without a mouse or with a screen reader."""
    tree = page.command("Accessibility.getFullAXTree")["nodes"]
    named = {
        node["role"]["value"]: node["name"]["value"]
        for node in tree
        if not node["ignored"] and node["role"]["value"] in {"textbox", "combobox", "button", "link", "form"}
    }
    unnamed = [role for role, name in named.items() if not name]

    assert set(named) == {"textbox", "combobox", "button", "link", "form"}
    assert unnamed == []
    levels = page.script("[...document.querySelectorAll('h1, h2, h3')].map(title => Number(title.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_without_javascript_the_page_says_how_to_ask(browser: Page, service: Running) -> None:
    """Whoever blocks scripts would see a form that does nothing."""
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.command("Page.navigate", url=f"http://{HOST}:{service.port}/")
        browser.wait_for("document.readyState === 'complete' && location.port")
        text = browser.text("body")
        form = browser.script("getComputedStyle(document.querySelector('#form')).display")
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)

    assert "This page needs JavaScript" in text
    assert "POST /v1/explain" in text
    assert form == "none"
