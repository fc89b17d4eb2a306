"""A result as people see it."""

import io

from msgspec.structs import replace
from rich.console import Console

from tests.unit.verifier.cli.world import BOOT, NONCE, World
from verifier import Affirmed, Verifier, load_anchor, read_policy
from verifier.cli.verdict_view import show_verdict
from verifier.result import AnchorReference
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_NAME, AWS_NITRO_ROOT_G1_SHA256


def test_aws_s_own_root_needs_no_warning(world: World) -> None:
    """A warning on every page would be read on none."""
    root = load_anchor(world.pki.root_der, name="test", sha256=world.pki.root_sha256.hex())
    policy = read_policy(world.policy.read_text(), name="p")
    result = Verifier(anchors=[root]).appraise(world.document.read_bytes(), policy=policy, nonce=NONCE, at=BOOT)
    assert isinstance(result, Affirmed)
    aws = AnchorReference(name=AWS_NITRO_ROOT_G1_NAME, sha256=AWS_NITRO_ROOT_G1_SHA256)
    assert "not AWS's commercial root" in shown(result)
    assert "not AWS's commercial root" not in shown(replace(result, claims=replace(result.claims, anchor=aws)))


def shown(result: Affirmed) -> str:
    stream = io.StringIO()
    show_verdict(Console(file=stream, width=120), result)
    return stream.getvalue()
