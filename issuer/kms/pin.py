"""Which KMS key is meant, and for what: the part of a request that an answer is held against."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_KEY_ARN: Final = re.compile(r"arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedKey:
    """A KMS key by its ARN, and the context its ciphertexts are bound to.

    Attributes:
        arn: the key's ARN, in the region of the client. An alias can be pointed at another key, and answers never
            name one, so it pins nothing.
        encryption_context: KMS authenticates it: Decrypt fails unless it equals what Encrypt was given.
        grant_tokens: passed on.

    Raises:
        ValueError: the ARN is not a key's.
    """

    arn: str
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    grant_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be compared, and keep a private copy of the context."""
        if not _KEY_ARN.fullmatch(self.arn):
            raise ValueError(f"{self.arn!r} is not the ARN of a KMS key; aliases and bare ids cannot be pinned")
        object.__setattr__(self, "encryption_context", MappingProxyType(dict(self.encryption_context)))

    def members(self) -> dict[str, object]:
        """The request members that say all this."""
        members: dict[str, object] = {"KeyId": self.arn}
        if self.encryption_context:
            members["EncryptionContext"] = dict(self.encryption_context)
        if self.grant_tokens:
            members["GrantTokens"] = list(self.grant_tokens)
        return members
