"""Whether this process may start enclaves: the device, and the group that it belongs to."""

import re
from dataclasses import dataclass
from typing import Final

from issuer.readiness.findings import Judgement, State
from issuer.readiness.machine import ENCLAVES_DEVICE, Device, Machine, UnreadableError

GROUP: Final = "ne"
_READ_WRITE: Final = 0o6
_STATUS: Final = re.compile(r"^(Uid|Gid|Groups):[ \t]*([\d \t]*)$", re.MULTILINE | re.ASCII)
_EFFECTIVE: Final = 1  # real, effective, saved, file system


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As whom this process acts."""

    uid: int
    gids: frozenset[int]


def read_identity(machine: Machine) -> Identity:
    """Ask the kernel, not the user database: a group that was joined since the login is not in effect.

    Raises:
        UnreadableError: it does not say.
    """
    lines = {name: value.split() for name, value in _STATUS.findall(machine.read("proc/self/status"))}
    try:
        uid, gid = int(lines["Uid"][_EFFECTIVE]), int(lines["Gid"][_EFFECTIVE])
        return Identity(uid=uid, gids=frozenset({gid, *map(int, lines["Groups"])}))
    except (KeyError, IndexError, ValueError) as error:  # ValueError: more digits than Python reads
        raise UnreadableError("/proc/self/status: no user and groups") from error


def judge_device(machine: Machine) -> Judgement:
    """Hold the device to be one that this process, and not everybody, may open."""
    return judge_permissions(machine.device(ENCLAVES_DEVICE), read_identity(machine))


def judge_permissions(device: Device, identity: Identity) -> Judgement:
    """Hold what a node's mode and owners mean for this process."""
    found = f"/{ENCLAVES_DEVICE} has mode {device.mode & 0o7777:04o}, owner {device.uid}, group {device.gid}"
    if not device.is_character:
        return State.FAILED, f"/{ENCLAVES_DEVICE} is no character device"
    if not _may_open(device, identity):
        return State.FAILED, f"{found}: this process may not open it"
    if device.mode & _READ_WRITE:
        return State.WARNING, f"{found}: open to every user"
    return State.OK, found


def judge_group(machine: Machine) -> Judgement:
    """Hold this process to be in the group; root needs none."""
    identity = read_identity(machine)
    gid = _group_id(machine)
    if gid in identity.gids:
        return State.OK, f"this process is in {GROUP} ({gid})"
    if identity.uid == 0:
        return State.OK, f"this process is root, which needs no {GROUP}"
    return State.FAILED, f"this process is not in {GROUP} ({gid})"


def _may_open(device: Device, identity: Identity) -> bool:
    if identity.uid == 0:
        return True
    shift = 6 if identity.uid == device.uid else 3 if device.gid in identity.gids else 0
    return device.mode >> shift & _READ_WRITE == _READ_WRITE


def _group_id(machine: Machine) -> int:
    found = re.search(rf"^{GROUP}:[^:\n]*:(\d{{1,19}}):", machine.read("etc/group"), re.MULTILINE | re.ASCII)
    if found is None:
        raise UnreadableError(f"/etc/group: no group {GROUP}")
    return int(found[1])
