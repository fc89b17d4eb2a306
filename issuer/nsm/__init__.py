"""The Nitro Secure Module (NSM) as an enclave sees it.

Today: the software NSM, an emulator with device semantics, and the throwaway PKI that signs for it. Neither
ever stands in for the device unless it is constructed by name.
"""

from issuer.nsm.cbor import CborValue, Encoded, encode, encode_array, encode_map
from issuer.nsm.certificates import (
    CertificateSpec,
    ExtensionSpec,
    IssuedChain,
    KeyIdentifier,
    issue_chain,
    sign_certificate,
    sign_tbs,
)
from issuer.nsm.document import (
    AttestationFields,
    MapStyle,
    assemble_sign1,
    encode_payload,
    sign1,
    sign_raw,
    signature_structure,
)
from issuer.nsm.errors import InputTooLargeError, InvalidIndexError, NsmError, ReadOnlyIndexError
from issuer.nsm.keys import SeededKeys
from issuer.nsm.pcrs import PcrDescription, build_pcrs, extended, instance_pcr, measured, role_pcr
from issuer.nsm.pki import ThrowawayPki
from issuer.nsm.software import NsmDescription, SoftwareNsm

__all__ = [
    "AttestationFields",
    "CborValue",
    "CertificateSpec",
    "Encoded",
    "ExtensionSpec",
    "InputTooLargeError",
    "InvalidIndexError",
    "IssuedChain",
    "KeyIdentifier",
    "MapStyle",
    "NsmDescription",
    "NsmError",
    "PcrDescription",
    "ReadOnlyIndexError",
    "SeededKeys",
    "SoftwareNsm",
    "ThrowawayPki",
    "assemble_sign1",
    "build_pcrs",
    "encode",
    "encode_array",
    "encode_map",
    "encode_payload",
    "extended",
    "instance_pcr",
    "issue_chain",
    "measured",
    "role_pcr",
    "sign1",
    "sign_certificate",
    "sign_raw",
    "sign_tbs",
    "signature_structure",
]
