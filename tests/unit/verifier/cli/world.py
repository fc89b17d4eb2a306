"""What the command line's tests work with: what a command leaves behind, and files as an operator has them."""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from issuer.nsm import AttestationFields, CborValue, SoftwareNsm, ThrowawayPki, encode_payload, sign1

BOOT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
SEED = b"the command line's tests, 32 byte"
NONCE = bytes(range(32))
BUILD = "hello"
USER_DATA = b"\x1b[2Jaffirmed"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """What people saw on stdout, with line breaks and boxes folded away."""
        return " ".join(self.stdout.decode().replace("│", " ").split())


Invoke = Callable[..., Outcome]


@dataclasses.dataclass(frozen=True)
class World:
    """A document over ``NONCE`` made at ``BOOT``, the policy that trusts its build, and its root."""

    folder: Path
    pki: ThrowawayPki
    document: Path
    policy: Path
    root: Path

    def nsm(self, *, debug: bool = False, at: datetime = BOOT) -> SoftwareNsm:
        """Boot the enclave that the policy trusts."""
        return SoftwareNsm(clock=lambda: at, pki=self.pki, build=BUILD, debug=debug)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def sign(self, changes: Mapping[str, CborValue], *, tagged: bool = False) -> bytes:
        """Make a rightly signed document that is the usual one but for these fields."""
        nsm = self.nsm()
        chain = self.pki.issue(enclave_id=nsm.enclave_id, at=BOOT)
        fields = AttestationFields(
            module_id=nsm.module_id,
            timestamp=int(BOOT.timestamp() * 1000),
            pcrs={index: nsm.describe_pcr(index).data for index in range(16)},
            certificate=chain.certificate,
            cabundle=chain.cabundle,
            nonce=NONCE,
        )
        return sign1(encode_payload({**dict(fields.pairs()), **changes}.items()), chain.key, tagged=tagged)

    def sign_tpm(self, pcrs: Mapping[int, bytes]) -> bytes:
        """Make a rightly signed document of a NitroTPM with these PCRs."""
        nsm = self.nsm()
        chain = self.pki.issue(enclave_id=nsm.enclave_id, at=BOOT)
        fields = AttestationFields(
            module_id=f"{self.pki.instance_id}-tpm0000000000000000",
            timestamp=int(BOOT.timestamp() * 1000),
            pcrs=pcrs,
            certificate=chain.certificate,
            cabundle=chain.cabundle,
            nonce=NONCE,
        )
        pairs = [("nitrotpm_pcrs" if name == "pcrs" else name, value) for name, value in fields.pairs()]
        return sign1(encode_payload(pairs), chain.key)

    @property
    def pinned_root(self) -> str:
        """The throwaway root as an option's value."""
        return f"{self.root}#sha256={self.pki.root_sha256.hex()}"
