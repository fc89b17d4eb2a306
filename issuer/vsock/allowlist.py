"""``vsock-proxy``'s allow-list: which hosts and ports may be reached, in the YAML that the AWS tool reads.

    allowlist:
    - {address: kms.eu-central-1.amazonaws.com, port: 443}

Read strictly, from PyYAML's safe loader before it makes values: what the tool would ignore (another key, a repeated
one) or take for something else (``port: 0443``) is refused with its line. No file means that nothing is allowed.

Needs PyYAML, the extra ``enclave``; nothing else in `issuer.vsock` does.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from issuer.vsock.addresses import MAX_TCP_PORT, TcpAddress
from issuer.vsock.errors import AddressError, AllowListError

DEFAULT_PATH: Final = Path("/etc/nitro_enclaves/vsock-proxy.yaml")
MAX_FILE_BYTES: Final = 64 * 1024  # AWS's own, with every region, has a tenth of that
MAX_DEPTH: Final = 4  # the root, its list, an entry, and one more that can be told where it is wrong
ROOT_KEY: Final = "allowlist"

_PORT = re.compile(r"[1-9][0-9]{0,4}")
_TEXT: Final = "tag:yaml.org,2002:str"
_INTEGER: Final = "tag:yaml.org,2002:int"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The permitted destinations; one that lists nothing permits nothing."""

    entries: tuple[TcpAddress, ...]


def read_allow_list(path: Path = DEFAULT_PATH) -> AllowList:
    """Read a file.

    Raises:
        AllowListError: there is no such file, or it is not entirely understood.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise AllowListError(f"{path}: {error.strerror}; without an allow-list nothing is allowed") from error
    try:
        return parse_allow_list(data)
    except AllowListError as error:
        raise AllowListError(f"{path}: {error}") from error


def parse_allow_list(data: bytes) -> AllowList:
    """Read the text of an allow-list.

    Raises:
        AllowListError: it is not entirely understood.
    """
    if len(data) > MAX_FILE_BYTES:
        raise AllowListError(f"larger than {MAX_FILE_BYTES} bytes")
    root = _compose(data)
    if root is None:
        raise AllowListError("empty")
    (entries,) = _mapping(root, ROOT_KEY)
    if not isinstance(entries, yaml.SequenceNode):
        raise _mistake(entries, f"{ROOT_KEY} is a list")
    return AllowList(entries=tuple(_entry(node) for node in entries.value))


def _compose(data: bytes) -> yaml.Node | None:
    """Parse YAML into nodes that know their lines; no value is made."""
    try:
        _refuse_bombs(data)
        return yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark is not None else ""
        raise AllowListError(f"{line}no YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # bytes that are no text have no line
        raise AllowListError("no YAML: not text") from error


def _refuse_bombs(data: bytes) -> None:
    """Refuse aliases, which can make a small file large, and nesting that no allow-list has."""
    depth = 0
    for event in yaml.parse(data, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _mistake(event, "no aliases")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _mistake(event, "nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _entry(node: yaml.Node) -> TcpAddress:
    address, port = _mapping(node, "address", "port")
    if not isinstance(address, yaml.ScalarNode) or address.tag != _TEXT:
        raise _mistake(address, "address is text; in quotes, if it looks like something else")
    if not isinstance(port, yaml.ScalarNode) or port.tag != _INTEGER or not _PORT.fullmatch(port.value):
        raise _mistake(port, f"port is a plain decimal number between 1 and {MAX_TCP_PORT}")
    try:
        return TcpAddress(host=address.value, port=int(port.value))
    except AddressError as error:
        raise _mistake(node, str(error)) from error


def _mapping(node: yaml.Node, *keys: str) -> list[yaml.Node]:
    """The values of a mapping that has exactly these keys, once each."""
    expected = " and ".join(keys)
    if not isinstance(node, yaml.MappingNode):
        raise _mistake(node, f"here stands a mapping with {expected}")
    pairs = [(key.value if key.tag == _TEXT else None, value) for key, value in node.value]
    if sorted(str(key) for key, _ in pairs) != sorted(keys):
        raise _mistake(node, f"a mapping with {expected}, once each, and nothing else")
    values = dict(pairs)
    return [values[key] for key in keys]


def _mistake(where: yaml.Node | yaml.Event, problem: str) -> AllowListError:
    line = f"line {where.start_mark.line + 1}: " if where.start_mark is not None else ""
    return AllowListError(f"{line}{problem}")
