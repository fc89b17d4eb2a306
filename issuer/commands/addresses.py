"""Addresses on the command line, and who `parent` is in them."""

from collections.abc import Callable

import click

from issuer.vsock import NITRO_PARENT_CID, Address, AddressError, parse_address


def parent_cid(command: Callable[..., object]) -> Callable[..., object]:
    """Give a command the option that says which CID the parent has."""
    return click.option(
        "--parent-cid",
        type=click.IntRange(0, 0xFFFF_FFFF),
        default=NITRO_PARENT_CID,
        show_default=True,
        envvar="NITRO_ISSUER_PARENT_CID",
        show_envvar=True,
        help="What `parent` stands for in an address: 3 under Nitro, 2 under QEMU.",
    )(command)


def to_address(text: str, name: str, cid: int = NITRO_PARENT_CID) -> Address:
    """Read an address.

    Raises:
        click.UsageError: it is none; the message begins with the argument's name.
    """
    try:
        return parse_address(text, parent_cid=cid)
    except AddressError as error:
        raise click.UsageError(f"{name}: {error}") from error
