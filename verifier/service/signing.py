"""Who signs results: the issuer and its keys, from the options and the files that they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from verifier.ear.keyrings import SigningKeys, ephemeral_signing_keys
from verifier.ear.keys import read_key
from verifier.ear.signing import Issuer
from verifier.ear.strict_json import encode_object
from verifier.policy.reader import parse_duration
from verifier.reasons import ConfigurationError
from verifier.service.keyfiles import read_file, warn_if_shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.ear.keys import EarKey
    from verifier.service.options import Options, SigningKeysOption

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs and with which keys; replaced as a whole when keys are reloaded."""

    issuer: Issuer
    keys: SigningKeys
    jwks: bytes = field(init=False)
    """The public keys as they are published."""

    def __post_init__(self) -> None:
        """Write the JWKS once."""
        object.__setattr__(self, "jwks", encode_object(self.keys.jwks()))


def load_signer(options: Options, warnings: list[str]) -> Signer | None:
    """Read the signing keys that the options name; ``None`` when they name none.

    Raises:
        ConfigurationError: with every problem of the options and the files.
    """
    if options.signing_keys is None and not options.ephemeral_signing_key:
        if options.issuer is not None:
            raise ConfigurationError("issuer: nothing signs; add signing_keys, or ephemeral_signing_key to try it out")
        return None
    problems: list[str] = []
    issuer = _attempt(lambda: _issuer(options), problems)
    keys = _attempt(lambda: _keys(options, warnings), problems)
    if issuer is None or keys is None:
        raise ConfigurationError(*problems)
    return Signer(issuer=issuer, keys=keys)


def load_signing_keys(option: SigningKeysOption, warnings: list[str]) -> SigningKeys:
    """Read current, next and previous from their files; what a reload does again.

    Args:
        option: the files.
        warnings: gets a sentence for each private key that others than its owner may read.

    Raises:
        ConfigurationError: with every problem.
    """
    problems: list[str] = []
    keys = {
        name: _attempt(lambda name=name, file=file: _read_signing_key(name, Path(file), warnings), problems)  # type: ignore[misc]
        for name, file in {"current": option.current, "next": option.next, "previous": option.previous}.items()
        if file is not None
    }
    current = keys["current"]
    if current is None or problems:
        raise ConfigurationError(*problems)
    return SigningKeys(current=current, next=keys.get("next"), previous=keys.get("previous"))


def label_signer(signer: Signer) -> str:
    """Name the keys by their thumbprints, which everybody may know."""
    if signer.keys.ephemeral:
        return "ephemeral"
    keys = {"current": signer.keys.current, "next": signer.keys.next, "previous": signer.keys.previous}
    return " ".join(f"{name}={key.kid}" for name, key in keys.items() if key is not None)


def _attempt(make: Callable[[], _Value], problems: list[str]) -> _Value | None:
    """Make a value, or note every problem with it."""
    try:
        return make()
    except ConfigurationError as error:
        problems.extend(error.problems)
    return None


def _keys(options: Options, warnings: list[str]) -> SigningKeys:
    if options.signing_keys is None:
        return ephemeral_signing_keys()
    if options.ephemeral_signing_key:
        raise ConfigurationError("ephemeral_signing_key: there are signing_keys; use one or the other")
    return load_signing_keys(options.signing_keys, warnings)


def _read_signing_key(name: str, path: Path, warnings: list[str]) -> EarKey:
    what = f"signing_keys: {name}"
    data, mode = read_file(what, path)
    try:
        key = read_key(data)
    except ConfigurationError as error:
        raise ConfigurationError(*(f"{what}: {path}: {problem}" for problem in error.problems)) from error
    if key.private is not None:
        warn_if_shared(what, path, mode, warnings)
    return key


def _issuer(options: Options) -> Issuer:
    if options.issuer is None:
        raise ConfigurationError("issuer: signed results need the URI that Relying Parties know this service by")
    return Issuer(
        name=options.issuer,
        build=f"nitro-verifier {version('nitro-verifier')}",
        affirmed_lifetime=_lifetime("result_lifetime", options.result_lifetime),
        rejected_lifetime=_lifetime("rejected_result_lifetime", options.rejected_result_lifetime),
    )


def _lifetime(name: str, text: str) -> timedelta:
    try:
        return timedelta(milliseconds=parse_duration(text))
    except ConfigurationError as error:
        raise ConfigurationError(*(f"{name}: {problem}" for problem in error.problems)) from error
