"""AR4SI's tiers: where each begins and ends, on both sides of zero."""

import pytest

from verifier.ear.tiers import Tier, Trust, tier_of

EDGES = {
    Tier.NONE: (-1, 0, 1),
    Tier.AFFIRMING: (2, 31, -2, -32),
    Tier.WARNING: (32, 95, -33, -96),
    Tier.CONTRAINDICATED: (96, 99, 127, -97, -128),
}


@pytest.mark.parametrize(("value", "tier"), [(value, tier) for tier, values in EDGES.items() for value in values])
def test_each_value_lies_in_its_tier(value: int, tier: Tier) -> None:
    """A warning would count as affirming (draft-ietf-rats-ar4si section 2.3.2)."""
    assert tier_of(value) is tier


@pytest.mark.parametrize("value", [128, -129, 1000])
def test_other_values_lie_in_none(value: int) -> None:
    """A number that AR4SI does not know would mean something."""
    with pytest.raises(ValueError, match="-128 to 127"):
        tier_of(value)


def test_places_are_named_as_ar4si_names_them() -> None:
    """Others would not find them."""
    assert [trust.word for trust in Trust] == [
        "instance-identity", "configuration", "executables", "file-system",
        "hardware", "runtime-opaque", "storage-opaque", "sourced-data",
    ]  # fmt: skip
