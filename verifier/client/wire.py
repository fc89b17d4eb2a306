"""The spellings of values in JSON, read strictly."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

Word: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,200}\Z")]
"""Goes into messages, and so into logs, wherever it came from."""
Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
