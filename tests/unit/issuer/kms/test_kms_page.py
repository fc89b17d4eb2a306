"""What docs/kms.md says of the code."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import issuer.kms
from issuer.kms import KmsError, RecipientSession
from issuer.kms.ber import MAX_BYTES, MAX_DEPTH
from issuer.kms.keys import MAX_OPENED
from issuer.nsm import SoftwareNsm, ThrowawayPki, build_pcrs
from tests.unit.issuer.kms.fake_kms import FakeKms
from verifier import Verifier, load_anchor, read_policy

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def page(checkout: Path) -> str:
    return (checkout / "docs" / "kms.md").read_text()


def test_the_example_runs(checkout: Path) -> None:
    """It is what people copy."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", page(checkout), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/kms.md", "exec"), names)  # noqa: S102 - our own page
    pki = ThrowawayPki(seed=b"kms page")
    pcrs = "".join(f'{index} = "{value.hex()}"\n' for index, value in build_pcrs("page").items())
    kms = FakeKms(
        verifier=Verifier(anchors=[load_anchor(pki.root_der, name="throwaway", sha256=pki.root_sha256.hex())]),
        policy=read_policy(f'name = "page"\nnonce = "none"\n[[build]]\nname = "v1"\n[build.pcrs]\n{pcrs}'),
        at=AT,
    )
    blob = kms.store(b"password", names["DATABASE_KEY"].encryption_context)
    nsm = SoftwareNsm(clock=lambda: AT, pki=pki, build="page")
    assert names["database_password"](kms.client(), nsm, blob) == b"password"


def test_every_error_and_method_is_explained(checkout: Path) -> None:
    """An operator looks up what he sees."""
    text = page(checkout)
    errors = {name for name in issuer.kms.__all__ if name.endswith("Error")} - {KmsError.__name__}
    explained = set(re.findall(r"^\| `(\w+Error)` \|", text, re.MULTILINE))
    assert explained == errors
    methods = {name for name in vars(RecipientSession) if not name.startswith("_")} - {"close", "closed", "public_key"}
    assert set(re.findall(r"^\| `(\w+)\(", text, re.MULTILINE)) == methods


def test_limits_are_the_ones_of_the_code(checkout: Path) -> None:
    """A reader plans with them."""
    text = page(checkout)
    assert f"at most {MAX_BYTES // 1024} KiB\nand {MAX_DEPTH} levels" in text
    assert f"after {MAX_OPENED // 1000} 000 answers" in text
