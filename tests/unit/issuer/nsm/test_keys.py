import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.nsm import SeededKeys


def test_a_seed_and_a_label_determine_a_key() -> None:
    """Vectors would change with every regeneration."""
    first, second = (SeededKeys(seed=b"seed").private_key("root") for _ in range(2))
    assert first.private_numbers() == second.private_numbers()


def test_labels_seeds_and_curves_keep_keys_apart() -> None:
    """One leaked test key would be all of them, and same-key vectors would be wrong about what they mutate."""
    keys = SeededKeys(seed=b"seed")
    scalars = {
        keys.private_key("root").private_numbers().private_value,
        keys.private_key("leaf").private_numbers().private_value,
        keys.private_key("root", ec.SECP256R1()).private_numbers().private_value,
        SeededKeys(seed=b"other").private_key("root").private_numbers().private_value,
    }
    assert len(scalars) == 4


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_any_curve_can_be_asked_for(curve: ec.EllipticCurve) -> None:
    """Other-curve vectors could not be made."""
    assert SeededKeys(seed=b"seed").private_key("root", curve).curve.name == curve.name


def test_without_a_seed_every_run_differs_and_shows_nothing() -> None:
    """A default seed would be a key that everybody has."""
    first, second = SeededKeys(), SeededKeys()
    assert first.seed != second.seed
    assert "seed" not in repr(first)
