"""Talking across the enclave's only door: addresses, connections, messages, and a forwarder between vsock and TCP.

Importable on any system; a machine without vsocks finds out when it uses one. The same code runs over Unix sockets
and TCP, which is how an application is tried out where there is no enclave. `issuer.vsock.allowlist`
reads ``vsock-proxy``'s allow-list and needs the extra ``enclave`` (PyYAML).
"""

from issuer.vsock.addresses import (
    ANY,
    HOST_CID,
    LOCAL_CID,
    NITRO_PARENT_CID,
    Address,
    TcpAddress,
    UnixAddress,
    VsockAddress,
    parse_address,
)
from issuer.vsock.client import exchange, exchange_async
from issuer.vsock.connections import ConnectionLimits
from issuer.vsock.destinations import Destination, FixedDestination, PinnedDestination, pin_destination
from issuer.vsock.errors import (
    AddressError,
    AllowListError,
    ConnectFailedError,
    ConnectionEndedError,
    ConnectionLostError,
    DeadlineExceededError,
    ListenFailedError,
    MessageTooLargeError,
    NotAllowedError,
    ResolutionError,
    SocketFailedError,
    TooManyConnectionsError,
    TransportUnavailableError,
    TruncatedMessageError,
    VsockError,
)
from issuer.vsock.forwarder import Ending, Forwarder, ForwarderLimits
from issuer.vsock.framing import (
    MAX_MESSAGE_BYTES,
    MessageDecoder,
    encode_message,
    receive_message,
    receive_message_async,
    send_message,
    send_message_async,
)
from issuer.vsock.listeners import bound_address, listen, open_vsock_listener
from issuer.vsock.outgoing import connect, connect_async
from issuer.vsock.polling import Deadline
from issuer.vsock.relay import Outcome
from issuer.vsock.server import MessageLimits, MessageServer

__all__ = [
    "ANY",
    "HOST_CID",
    "LOCAL_CID",
    "MAX_MESSAGE_BYTES",
    "NITRO_PARENT_CID",
    "Address",
    "AddressError",
    "AllowListError",
    "ConnectFailedError",
    "ConnectionEndedError",
    "ConnectionLimits",
    "ConnectionLostError",
    "Deadline",
    "DeadlineExceededError",
    "Destination",
    "Ending",
    "FixedDestination",
    "Forwarder",
    "ForwarderLimits",
    "ListenFailedError",
    "MessageDecoder",
    "MessageLimits",
    "MessageServer",
    "MessageTooLargeError",
    "NotAllowedError",
    "Outcome",
    "PinnedDestination",
    "ResolutionError",
    "SocketFailedError",
    "TcpAddress",
    "TooManyConnectionsError",
    "TransportUnavailableError",
    "TruncatedMessageError",
    "UnixAddress",
    "VsockAddress",
    "VsockError",
    "bound_address",
    "connect",
    "connect_async",
    "encode_message",
    "exchange",
    "exchange_async",
    "listen",
    "open_vsock_listener",
    "parse_address",
    "pin_destination",
    "receive_message",
    "receive_message_async",
    "send_message",
    "send_message_async",
]
