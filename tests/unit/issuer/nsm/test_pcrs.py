import pytest

from issuer.nsm import build_pcrs, extended, instance_pcr, measured, role_pcr

AWS_ROLE = "arn:aws:iam::123456789012:role/Webserver"
AWS_INSTANCE = "i-1234567890abcdef0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            role_pcr(AWS_ROLE),
            "78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef4fc1f1a452e315b9e98f9e312e6921e6",
        ),
        (
            instance_pcr(AWS_INSTANCE),
            "08f996b5d43e047a9eb51e7f548bfee7e164fd7dc8f65541f2ac09d6545ac812719327281c401a67a10fcba87ae79ce0",
        ),
        (
            measured(b""),  # PCR2 of genuine images with a single ramdisk
            "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a",
        ),
        (
            extended(bytes(48), bytes.fromhex("010203")),
            "cb178fcd3f328244c05c6248723fd068b3a1dda878e1ab8be911098f199958add55d0c27f04826d27b44d949a650694e",
        ),
    ],
)
def test_formulas_reproduce_published_values(value: bytes, expected: str) -> None:
    """Policies by role ARN and instance id would never match."""
    assert value.hex() == expected


def test_builds_differ_by_name_and_stay_the_same() -> None:
    """A demo's `wrong build` would be the right one."""
    one, other = build_pcrs("one"), build_pcrs("other")
    assert one == build_pcrs(b"one")
    assert sorted(one) == [0, 1, 2]
    assert len({*one.values(), *other.values()}) == 6
