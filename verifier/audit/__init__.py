"""Re-check an archive of documents: entries in, one row for each out, always the same and in the same order.

Every row is historical. The time is each document's own unless another is chosen, so nothing here depends on when,
where or in how many processes it runs.
"""

from verifier.audit.chunks import audit_chunk
from verifier.audit.entries import AuditItem, ItemKind
from verifier.audit.job import AuditJob, make_job
from verifier.audit.rows import AuditRow, decode_row
from verifier.audit.summary import AuditSummary

__all__ = ["AuditItem", "AuditJob", "AuditRow", "AuditSummary", "ItemKind", "audit_chunk", "decode_row", "make_job"]
