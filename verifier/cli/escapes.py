"""Text from outside as printable ASCII, so that it shows itself and does nothing.

A document's user_data may hold escape sequences that clear the screen and write "affirmed". Apart from ``display``,
because much of what commands print needs nothing of that.
"""

from __future__ import annotations

import json

import msgspec


def plain(text: str) -> str:
    """Keep printable ASCII and write everything else as an escape."""
    return "".join(char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii") for char in text)


def ascii_json(body: msgspec.Struct) -> str:
    """Write JSON in printable ASCII alone: a document's texts must not reach a terminal as they are."""
    text = json.dumps(msgspec.to_builtins(body), separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")
