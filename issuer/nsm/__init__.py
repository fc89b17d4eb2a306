"""The Nitro Secure Module (NSM) as an enclave sees it.

`Nsm.open()` and `AsyncNsm.open()` are the device or an error. The software NSM, an emulator with device semantics, and
the throwaway PKI that signs for it never stand in for the device unless they are asked for by name. A recording of
exchanges is the third backend. All three take and give the bytes of one codec.
"""

from issuer.nsm.async_client import AsyncNsm
from issuer.nsm.backends import Backend
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
from issuer.nsm.client import BackendName, Nsm, UnlockedPcrWarning
from issuer.nsm.codec import KeyOrder, decode_reply, decode_request, encode_reply, encode_request
from issuer.nsm.device import NSM_DEVICE, NSM_IOCTL, DeviceBackend, Ioctl
from issuer.nsm.document import (
    AttestationFields,
    MapStyle,
    assemble_sign1,
    encode_payload,
    sign1,
    sign_raw,
    signature_structure,
)
from issuer.nsm.errors import (
    BufferTooSmallError,
    InputTooLargeError,
    InternalError,
    InvalidArgumentError,
    InvalidIndexError,
    InvalidOperationError,
    InvalidResponseError,
    NsmError,
    NsmProtocolError,
    NsmRefusedError,
    NsmTimeoutError,
    NsmUnavailableError,
    ReadOnlyIndexError,
)
from issuer.nsm.keys import SeededKeys
from issuer.nsm.pcrs import PcrDescription, build_pcrs, extended, instance_pcr, measured, role_pcr
from issuer.nsm.pki import ThrowawayPki
from issuer.nsm.recorded import Exchange, Matching, NotRecordedError, RecordedBackend, read_exchanges
from issuer.nsm.requests import (
    Attestation,
    BytesLike,
    DescribeNsm,
    DescribePcr,
    ExtendPcr,
    GetRandom,
    LockPcr,
    LockPcrs,
    Request,
)
from issuer.nsm.responses import (
    AttestationDocument,
    NsmDescription,
    PcrExtended,
    PcrLocked,
    PcrsLocked,
    RandomBytes,
    Refusal,
    Response,
)
from issuer.nsm.software import SoftwareNsm
from issuer.nsm.software_backend import SoftwareBackend

__all__ = [
    "NSM_DEVICE",
    "NSM_IOCTL",
    "AsyncNsm",
    "Attestation",
    "AttestationDocument",
    "AttestationFields",
    "Backend",
    "BackendName",
    "BufferTooSmallError",
    "BytesLike",
    "CborValue",
    "CertificateSpec",
    "DescribeNsm",
    "DescribePcr",
    "DeviceBackend",
    "Encoded",
    "Exchange",
    "ExtendPcr",
    "ExtensionSpec",
    "GetRandom",
    "InputTooLargeError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidIndexError",
    "InvalidOperationError",
    "InvalidResponseError",
    "Ioctl",
    "IssuedChain",
    "KeyIdentifier",
    "KeyOrder",
    "LockPcr",
    "LockPcrs",
    "MapStyle",
    "Matching",
    "NotRecordedError",
    "Nsm",
    "NsmDescription",
    "NsmError",
    "NsmProtocolError",
    "NsmRefusedError",
    "NsmTimeoutError",
    "NsmUnavailableError",
    "PcrDescription",
    "PcrExtended",
    "PcrLocked",
    "PcrsLocked",
    "RandomBytes",
    "ReadOnlyIndexError",
    "RecordedBackend",
    "Refusal",
    "Request",
    "Response",
    "SeededKeys",
    "SoftwareBackend",
    "SoftwareNsm",
    "ThrowawayPki",
    "UnlockedPcrWarning",
    "assemble_sign1",
    "build_pcrs",
    "decode_reply",
    "decode_request",
    "encode",
    "encode_array",
    "encode_map",
    "encode_payload",
    "encode_reply",
    "encode_request",
    "extended",
    "instance_pcr",
    "issue_chain",
    "measured",
    "read_exchanges",
    "role_pcr",
    "sign1",
    "sign_certificate",
    "sign_raw",
    "sign_tbs",
    "signature_structure",
]
