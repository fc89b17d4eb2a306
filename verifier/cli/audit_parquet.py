"""The rows of an audit as Parquet: written from the journal once it is whole, a batch at a time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from verifier.cli.audit_engines import in_chunks
from verifier.cli.exits import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from verifier.audit import AuditRow

BATCH = 8192


def require_pyarrow() -> None:
    """Refuse before hours of work what could not be written after them.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401 - whether it is there
    except ModuleNotFoundError as error:
        raise InputError(f'{error.name} is not installed: pip install "nitro-verifier[audit]"') from error


def write_parquet(path: Path, rows: Iterable[AuditRow]) -> None:
    """Write a table, which is there whole or not at all."""
    import pyarrow as pa
    from pyarrow import parquet

    text, texts = pa.string(), pa.list_(pa.string())
    schema = pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("id", text, nullable=False),
            pa.field("verdict", text),
            pa.field("historical", pa.bool_(), nullable=False),
            pa.field("reasons", texts, nullable=False),
            *(pa.field(name, text) for name in ("problem", "policy", "policy_sha256", "build", "module_id")),
            pa.field("timestamp", pa.timestamp("ms", tz="UTC")),
            pa.field("anchor", text),
            pa.field("evaluated_at", pa.timestamp("ms", tz="UTC")),
            pa.field("evidence_sha256", text),
        ]
    )
    unfinished = path.with_name(f"{path.name}.unfinished")
    with parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for batch in in_chunks(rows, BATCH):
            writer.write_batch(pa.RecordBatch.from_pylist([_record(row) for row in batch], schema=schema))
    unfinished.replace(path)


def _record(row: AuditRow) -> dict[str, object]:
    times = {"timestamp": _moment(row.timestamp), "evaluated_at": _moment(row.evaluated_at)}
    return msgspec.structs.asdict(row) | times


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
