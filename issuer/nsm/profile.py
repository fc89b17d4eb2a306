"""What AWS's certificates look like, level by level: names, extensions in their order, lifetimes.

The shapes are those of genuine documents of 2024 and later: RDN orders, string types, criticality, even where
they are odd (the zonal subject runs backwards, the leaf's key usage is not critical). The values say TEST.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.nsm.certificates import ExtensionSpec, KeyIdentifier
from issuer.nsm.document import EPOCH

ORGANISATION: Final = "nitro-verifier THROWAWAY TEST"
UNIT: Final = "not AWS"
PARTITION: Final = "not-aws"  # as short as this because a leaf's CN must stay within 64 characters
SUFFIX: Final = f"{PARTITION}.nitro-enclaves"
ROOT_NAME: Final = f"throwaway-test.{SUFFIX}"

ROOT_NOT_BEFORE: Final = datetime(2019, 10, 28, 13, 28, 5, tzinfo=UTC)
ROOT_LIFETIME: Final = timedelta(days=10958, hours=1)
LEAF_BACKDATING: Final = timedelta(seconds=3)
LEAF_LIFETIME: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """How long an intermediate lives, how young it may be when first used, and how often it is renewed."""

    lifetime: timedelta
    youngest: timedelta
    renewal: timedelta

    def not_before(self, used_at: datetime) -> datetime:
        """When the certificate in use at that time was issued: a function of time, not a state.

        Renewals lie on a fixed grid, so that successive leaves share their issuers as real ones do.
        """
        latest = used_at - self.youngest
        return latest - (latest - EPOCH) % self.renewal


# The lifetimes, and the range of ages, of genuine certificates when their documents were made.
REGIONAL: Final = Tier(lifetime=timedelta(days=20, hours=1), youngest=timedelta(hours=13), renewal=timedelta(hours=112))
ZONAL: Final = Tier(lifetime=timedelta(days=5, hours=17), youngest=timedelta(hours=2), renewal=timedelta(hours=19))
INSTANCE: Final = Tier(lifetime=timedelta(hours=24), youngest=timedelta(seconds=36), renewal=timedelta(hours=10))


def authority_name(common_name: str) -> x509.Name:
    """The subject of a root or regional certificate."""
    return _name(
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.ORGANIZATION_NAME, ORGANISATION),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, UNIT),
        (NameOID.COMMON_NAME, common_name),
    )


def zonal_name(common_name: str) -> x509.Name:
    """The subject of a zonal certificate: most specific first, and the state abbreviated."""
    return _name(
        (NameOID.COMMON_NAME, common_name),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, UNIT),
        (NameOID.ORGANIZATION_NAME, ORGANISATION),
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.STATE_OR_PROVINCE_NAME, "WA"),
        (NameOID.LOCALITY_NAME, "Seattle"),
    )


def instance_name(common_name: str) -> x509.Name:
    """The subject of an instance certificate or of a leaf."""
    return _name(
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Washington"),
        (NameOID.LOCALITY_NAME, "Seattle"),
        (NameOID.ORGANIZATION_NAME, ORGANISATION),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, UNIT),
        (NameOID.COMMON_NAME, common_name),
    )


def root_extensions() -> tuple[ExtensionSpec, ...]:
    """The root has neither a path length nor an authority key identifier."""
    return (
        _basic_constraints(ca=True, path_length=None),
        ExtensionSpec(value=KeyIdentifier.SUBJECT),
        _key_usage("digital_signature", "key_cert_sign", "crl_sign", critical=True),
    )


def issuing_extensions(path_length: int, crl_url: str) -> tuple[ExtensionSpec, ...]:
    """Regional and zonal certificates."""
    return (
        _basic_constraints(ca=True, path_length=path_length),
        ExtensionSpec(value=KeyIdentifier.AUTHORITY),
        ExtensionSpec(value=KeyIdentifier.SUBJECT),
        _key_usage("digital_signature", "key_cert_sign", "crl_sign", critical=True),
        _crl_distribution_point(crl_url),
    )


def instance_extensions(*, key_ids: bool) -> tuple[ExtensionSpec, ...]:
    """Instance certificates sign certificates and nothing else; they have key identifiers since mid-2024."""
    identifiers = (KeyIdentifier.SUBJECT, KeyIdentifier.AUTHORITY) if key_ids else ()
    return (
        _basic_constraints(ca=True, path_length=0),
        _key_usage("key_cert_sign", critical=True),
        *(ExtensionSpec(value=identifier) for identifier in identifiers),
    )


def leaf_extensions() -> tuple[ExtensionSpec, ...]:
    """The leaf has no key identifiers, and its key usage is not critical."""
    return (
        _basic_constraints(ca=False, path_length=None),
        _key_usage("digital_signature", "content_commitment", critical=False),
    )


def key_usage(*bits: str) -> x509.KeyUsage:
    """A KeyUsage with the named bits set, by the names that `cryptography` gives them."""
    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment="content_commitment" in bits,
        key_encipherment="key_encipherment" in bits,
        data_encipherment="data_encipherment" in bits,
        key_agreement="key_agreement" in bits,
        key_cert_sign="key_cert_sign" in bits,
        crl_sign="crl_sign" in bits,
        encipher_only="encipher_only" in bits,
        decipher_only="decipher_only" in bits,
    )


def _name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    # `cryptography` writes the country as PrintableString and everything else as UTF8String, as AWS does.
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def _basic_constraints(*, ca: bool, path_length: int | None) -> ExtensionSpec:
    return ExtensionSpec(value=x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)


def _key_usage(*bits: str, critical: bool) -> ExtensionSpec:
    return ExtensionSpec(value=key_usage(*bits), critical=critical)


def _crl_distribution_point(url: str) -> ExtensionSpec:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return ExtensionSpec(value=x509.CRLDistributionPoints([point]))
