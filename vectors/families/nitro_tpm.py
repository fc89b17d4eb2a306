"""Documents of EC2 instances, which share envelope and root with those of enclaves, and the meaning of no PCR.

Each kind is refused where the other is asked for, however well its values fit. Where instances are asked for, the rules
for enclaves do not apply: there is no debug mode, and PCR0 to PCR2 say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.nsm import Encoded, encode_map
from vectors.case import affirmed, rejected
from vectors.policies import PCR16, TPM_PCRS, boot
from vectors.world import AT, GOOD, PCRS, PKI, ZERO, attest, milliseconds, pairs, seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from issuer.nsm import CborValue, MapStyle
    from vectors.case import Case

TPM, ENCLAVE = "document.nitro-tpm", "document.enclave"
MISMATCH, ABSENT = "measurement.pcr-mismatch", "measurement.pcr-absent"
NO_POLICY = "measurement.no-policy"


def cases() -> Iterator[Case]:
    """Give every case of the family."""
    yield from _affirmed()
    yield from _instance_for_enclave()
    yield from _enclave_for_instance()
    yield from _measurements()
    yield from _fields()


def tpm(values: Mapping[int, bytes] = TPM_PCRS, *, map_style: MapStyle = "indefinite", **changes: CborValue) -> bytes:
    """Sign a document of an instance's NitroTPM."""
    renamed: dict[str, CborValue] = {
        "module_id": f"{PKI.instance_id}-tpm0000000000000000",
        "pcrs": Encoded(encode_map(values.items())),
        **changes,
    }
    said = tuple((key, renamed.get(str(key), value)) for key, value in pairs())
    return seal(tuple(("nitrotpm_pcrs" if key == "pcrs" else key, value) for key, value in said), map_style)


def _affirmed() -> Iterator[Case]:
    yield affirmed("tpm.boot", "An EC2 instance by its boot binaries and command line.", tpm(), policy="tpm")
    yield affirmed("tpm.definite", "The same in a definite map.", tpm(map_style="definite"), policy="tpm")
    yield affirmed("tpm.secure-boot", "An instance by its Secure Boot policy.", tpm(), policy="tpm-secure-boot")
    yield affirmed(
        "tpm.firmware-zero",
        "PCR0 to PCR2 of zeros are no debug mode: there is none.",
        tpm({**TPM_PCRS, **dict.fromkeys(range(3), ZERO)}),
        policy="tpm-firmware-zero",
    )
    yield affirmed(
        "tpm.application",
        "A build that names what the application measured.",
        tpm({**TPM_PCRS, 23: PCR16}),
        policy="tpm-application",
    )


def _instance_for_enclave() -> Iterator[Case]:
    yield rejected("instead-of-pcrs", "A NitroTPM document of an EC2 instance.", tpm(), TPM)
    yield rejected("definite", "A NitroTPM document in a definite map.", tpm(map_style="definite"), TPM)
    fitting = tpm(PCRS)
    yield rejected("fitting-values", "A NitroTPM document with the very PCRs that the policy expects.", fitting, TPM)
    yield rejected("debug-allowed", "The same where debug mode is allowed.", fitting, TPM, policy="debug")
    yield rejected(
        "debug-zero",
        "Zeros in PCR0 to PCR2 of a NitroTPM, where an enclave's would be affirmed.",
        tpm({**PCRS, **dict.fromkeys(range(3), ZERO)}),
        TPM,
        policy="debug",
    )
    yield rejected("denied", "With a revoked PCR0: no PCR is compared.", fitting, TPM, policy="deny-v1")
    yield rejected(
        "other-findings",
        "Findings that are not about PCRs are reported beside it.",
        tpm(timestamp=milliseconds(AT) - 400_000, nonce=None),
        TPM,
        "freshness.too-old",
        "freshness.nonce-missing",
    )
    yield rejected("no-policy", "Without a policy it is what it is, and refused.", tpm(), NO_POLICY, policy=None)


def _enclave_for_instance() -> Iterator[Case]:
    yield rejected("strict-build", "An enclave's document.", GOOD, ENCLAVE, policy="tpm")
    fitting = attest(pcrs={**PCRS, **boot(), 7: TPM_PCRS[7]})
    yield rejected("fitting-values", "With the very PCRs that the policy expects.", fitting, ENCLAVE, policy="tpm")
    yield rejected("secure-boot", "The same in signer mode.", fitting, ENCLAVE, policy="tpm-secure-boot")
    debug = attest(pcrs={**PCRS, **dict.fromkeys(range(3), ZERO)})
    yield rejected("debug-mode", "An enclave in debug mode.", debug, ENCLAVE, policy="tpm")


def _measurements() -> Iterator[Case]:
    for index in (4, 12):
        other = tpm({**TPM_PCRS, index: PCR16})
        yield rejected(f"tpm-pcr{index}", f"Another PCR{index}.", other, MISMATCH, policy="tpm")
        without = tpm({at: value for at, value in TPM_PCRS.items() if at != index})
        yield rejected(f"tpm-pcr{index}", f"PCR{index} is absent.", without, ABSENT, policy="tpm")
    yield rejected("tpm-other-build", "Another AMI.", tpm(), MISMATCH, policy="tpm-other")
    yield rejected("tpm-pcr4-zero", "PCR4 is zero.", tpm({**TPM_PCRS, 4: ZERO}), MISMATCH, policy="tpm")
    yield rejected("tpm-command-line", "A command line.", tpm({**TPM_PCRS, 12: PCR16}), MISMATCH, policy="tpm")
    yield rejected("tpm-secure-boot", "Other keys.", tpm({7: PCR16}), MISMATCH, policy="tpm-secure-boot")
    yield rejected("tpm", "A revoked AMI.", tpm(), "measurement.build-denied", policy="tpm-denied")


def _fields() -> Iterator[Case]:
    for slug, value, what in (("tpm-null", None, "null."), ("tpm-list", (), "a list."), ("tpm-empty", {}, "empty.")):
        said = tpm(pcrs=value)
        yield rejected(slug, f"nitrotpm_pcrs is {what}", said, "document.pcrs-invalid", policy="tpm")
    short = tpm({**TPM_PCRS, 4: TPM_PCRS[4][:32]})
    yield rejected("tpm-sha256", "PCR4 has 32 bytes.", short, "document.pcrs-invalid", policy="tpm")
    yield rejected("tpm", "digest is SHA256.", tpm(digest="SHA256"), "document.digest-unsupported", policy="tpm")
    yield rejected("tpm", "Another nonce.", tpm(nonce=bytes(32)), "freshness.nonce-mismatch", policy="tpm")
