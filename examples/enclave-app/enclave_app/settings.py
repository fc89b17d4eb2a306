"""What the image says: from its environment, which PCR0 and PCR2 measure, and never from the parent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from issuer.kms import PinnedKey
from issuer.vsock import Address, AddressError, TcpAddress, parse_address

CONTEXT: Final = {"application": "enclave-app", "secret": "signing-key", "version": "1"}
"""What the secret is for. KMS authenticates it, so the parent cannot hand in another ciphertext of the same key."""

_PREFIX: Final = "ENCLAVE_"
_DEFAULTS: Final = {
    "VERIFIER": "vsock:parent:8080",
    "KMS_PROXY": "vsock:parent:8000",
    "CHALLENGES": "vsock:any:5000",
    "REQUESTS": "vsock:any:5005",
    "KMS_ENDPOINT": "",
    "KMS_CA": "",
    "HOSTS": "/etc/hosts",
}
_REQUIRED: Final = frozenset({"POLICY", "KMS_KEY_ARN"})
_HTTPS_PORT: Final = 443


class SettingsError(ValueError):
    """The image was built with settings that cannot be meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where everything is, and whom to trust.

    Attributes:
        policy: the verifier's, by which this image means to be appraised.
        key: the one KMS key, and the context of the one ciphertext.
        verifier: where the parent leads to the verifier.
        kms_proxy: where the parent leads to KMS.
        kms_endpoint: the URL that boto3 is given; TLS is with the host that it names.
        kms_ca: a file of certificates to hold KMS to, instead of botocore's own.
        challenges: where a Relying Party's nonces come in.
        requests: where the application's own messages come in.
        hosts: where names of hosts are written.
    """

    policy: str
    key: PinnedKey
    verifier: Address
    kms_proxy: Address
    kms_endpoint: str
    challenges: Address
    requests: Address
    kms_ca: str | None = None
    hosts: Path = field(default=Path(_DEFAULTS["HOSTS"]))

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that begin with ``ENCLAVE_``.

        Raises:
            SettingsError: one is missing, unknown or wrong.
        """
        given = {name.removeprefix(_PREFIX): text for name, text in environment.items() if name.startswith(_PREFIX)}
        if unknown := given.keys() - _DEFAULTS.keys() - _REQUIRED:
            raise SettingsError(f"unknown settings: {', '.join(_PREFIX + name for name in sorted(unknown))}")
        values = _DEFAULTS | {name: text for name, text in given.items() if text}
        if missing := _REQUIRED - values.keys():
            raise SettingsError(f"missing settings: {', '.join(_PREFIX + name for name in sorted(missing))}")
        try:
            return cls._of(values)
        except (AddressError, ValueError) as error:
            raise SettingsError(str(error)) from error

    @classmethod
    def _of(cls, values: Mapping[str, str]) -> Self:
        key = PinnedKey(arn=values["KMS_KEY_ARN"], encryption_context=CONTEXT)
        settings = cls(
            policy=values["POLICY"],
            key=key,
            verifier=parse_address(values["VERIFIER"]),
            kms_proxy=parse_address(values["KMS_PROXY"]),
            kms_endpoint=values["KMS_ENDPOINT"] or _endpoint_of(key.arn),
            kms_ca=values["KMS_CA"] or None,
            challenges=parse_address(values["CHALLENGES"]),
            requests=parse_address(values["REQUESTS"]),
            hosts=Path(values["HOSTS"]),
        )
        _ = settings.kms_host, settings.kms_entrance  # refused now, not when the secret is wanted
        return settings

    @property
    def region(self) -> str:
        """The key's region, which is where KMS is asked."""
        return self.key.arn.split(":")[3]

    @property
    def kms_host(self) -> str:
        """The name that the certificate of KMS must be for.

        Raises:
            SettingsError: the endpoint is not https: whoever carries the traffic could then answer in KMS's place.
        """
        parts = urlsplit(self.kms_endpoint)
        if parts.scheme != "https" or not parts.hostname:
            raise SettingsError("ENCLAVE_KMS_ENDPOINT is an https:// URL")
        return parts.hostname

    @property
    def kms_entrance(self) -> TcpAddress:
        """Where boto3 connects to: the enclave's own loopback, with the forwarder behind it."""
        return TcpAddress(host="127.0.0.1", port=urlsplit(self.kms_endpoint).port or _HTTPS_PORT)


def _endpoint_of(arn: str) -> str:
    partition, region = arn.split(":")[1], arn.split(":")[3]
    return f"https://kms.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"
