import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest
from moto import mock_aws

from issuer.kms import (
    CiphertextMissingError,
    DecryptionError,
    KeyMismatchError,
    PinnedKey,
    PlaintextReceivedError,
    RecipientSession,
    ReplayedResponseError,
    ResponseError,
    SessionClosedError,
)
from tests.unit.issuer.kms.boto import ClientError, Stubber, boto3_client
from tests.unit.issuer.kms.envelopes import KMS_CHUNKED, LOCALSTACK, Style, seal
from tests.unit.issuer.kms.fake_kms import ARN

OTHER_ARN = ARN.replace("1234abcd", "abcd1234")
CONTEXT = {"purpose": "payments"}
KEY = PinnedKey(arn=ARN, encryption_context=CONTEXT, grant_tokens=("token",))
PLAIN_KEY = PinnedKey(arn=ARN)
PINNED = {"KeyId": ARN, "EncryptionContext": CONTEXT, "GrantTokens": ["token"]}


def attest(public_key: bytes) -> bytes:
    """Stands for the NSM: the document is the public key."""
    return b"document of " + public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operation: how it is called, what must be asked, what is answered beside the ciphertext."""

    method: str
    call: Callable[[RecipientSession], Any]
    asked: dict[str, object]
    answered: dict[str, object]
    clear: str
    secret: bytes
    read: dict[str, object]

    def answer(self, session: RecipientSession, style: Style = KMS_CHUNKED) -> dict[str, object]:
        """What KMS says to this session."""
        return {**self.answered, "CiphertextForRecipient": style.write(seal(session.public_key, self.secret))}


CASES = {
    case.method: case
    for case in (
        Case(
            method="decrypt",
            call=lambda session: session.decrypt(b"blob", KEY),
            asked={"CiphertextBlob": b"blob", **PINNED},
            answered={"KeyId": ARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
            clear="Plaintext",
            secret=b"a secret",
            read={"plaintext": b"a secret", "key_id": ARN},
        ),
        Case(
            method="generate_data_key",
            call=lambda session: session.generate_data_key(KEY, number_of_bytes=64),
            asked={"NumberOfBytes": 64, **PINNED},
            answered={"KeyId": ARN, "CiphertextBlob": b"blob"},
            clear="Plaintext",
            secret=b"k" * 64,
            read={"plaintext": b"k" * 64, "ciphertext_blob": b"blob", "key_id": ARN},
        ),
        Case(
            method="generate_data_key_pair",
            call=lambda session: session.generate_data_key_pair(KEY, key_pair_spec="ECC_NIST_P256"),
            asked={"KeyPairSpec": "ECC_NIST_P256", **PINNED},
            answered={
                "KeyId": ARN,
                "KeyPairSpec": "ECC_NIST_P256",
                "PublicKey": b"public",
                "PrivateKeyCiphertextBlob": b"blob",
            },
            clear="PrivateKeyPlaintext",
            secret=b"private",
            read={
                "private_key": b"private",
                "private_key_ciphertext_blob": b"blob",
                "public_key": b"public",
                "key_pair_spec": "ECC_NIST_P256",
                "key_id": ARN,
            },
        ),
        Case(
            method="generate_random",
            call=lambda session: session.generate_random(24),
            asked={"NumberOfBytes": 24},
            answered={},
            clear="Plaintext",
            secret=b"r" * 24,
            read={"plaintext": b"r" * 24},
        ),
        Case(
            method="derive_shared_secret",
            call=lambda session: session.derive_shared_secret(b"peer", PLAIN_KEY),
            asked={"KeyId": ARN, "PublicKey": b"peer", "KeyAgreementAlgorithm": "ECDH"},
            answered={"KeyId": ARN, "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS"},
            clear="SharedSecret",
            secret=b"agreed",
            read={"shared_secret": b"agreed", "key_id": ARN},
        ),
    )
}
WITH_KEY = {method: case for method, case in CASES.items() if "KeyId" in case.answered}
each_operation = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@dataclass(slots=True)
class ScriptedClient:
    """Answers what it is told to, whatever is asked."""

    answer: dict[str, object] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., dict[str, object]]:
        if name not in CASES:
            raise AttributeError(name)
        return self._record

    def _record(self, **members: object) -> dict[str, object]:
        self.asked.append(members)
        return self.answer


@pytest.fixture
def client() -> ScriptedClient:
    """A client to be scripted."""
    return ScriptedClient()


@pytest.fixture
def session(client: ScriptedClient) -> Iterator[RecipientSession]:
    """A session with that client."""
    scripted: Any = client  # its methods exist by name only
    with RecipientSession(scripted, attest) as session:
        yield session


@pytest.mark.parametrize("style", [KMS_CHUNKED, LOCALSTACK], ids=["kms", "localstack"])
@each_operation
def test_every_operation_speaks_boto3(case: Case, style: Style) -> None:
    """The Stubber of botocore checks every member of request and answer against the model of the real service."""
    boto = boto3_client()
    with RecipientSession(boto, attest) as session, Stubber(boto) as stubber:
        recipient = {
            "AttestationDocument": attest(session.public_key),
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        }
        stubber.add_response(case.method, case.answer(session, style), {**case.asked, "Recipient": recipient})
        result = case.call(session)
        stubber.assert_no_pending_responses()
    assert asdict(result) == case.read
    assert repr(case.secret) not in repr(result)


@each_operation
def test_an_answer_in_the_clear_is_refused_even_beside_a_ciphertext(
    case: Case, client: ScriptedClient, session: RecipientSession
) -> None:
    """The secret has been on the parent's side of the encryption: using it hides that."""
    for answer in (case.answered, case.answer(session)):
        client.answer = {**answer, case.clear: case.secret}
        with pytest.raises(PlaintextReceivedError, match=case.clear) as caught:
            case.call(session)
        assert case.secret.decode() not in str(caught.value)


@mock_aws
def test_moto_ignores_the_recipient_and_is_refused() -> None:
    """A test suite on moto would pass while the enclave reads secrets that everybody can read."""
    boto = boto3_client()
    arn = boto.create_key()["KeyMetadata"]["Arn"]
    blob = boto.encrypt(KeyId=arn, Plaintext=b"a secret")["CiphertextBlob"]
    with RecipientSession(boto, attest) as session:
        for call in (
            lambda: session.decrypt(blob, PinnedKey(arn=arn)),
            lambda: session.generate_data_key(PinnedKey(arn=arn)),
            lambda: session.generate_random(32),
        ):
            with pytest.raises(PlaintextReceivedError):
                call()


@each_operation
@pytest.mark.parametrize("empty", [None, b""])
def test_a_clear_member_may_be_null_or_empty(
    case: Case, empty: bytes | None, client: ScriptedClient, session: RecipientSession
) -> None:
    """That is how the KMS API documents its answers to a recipient."""
    client.answer = {**case.answer(session), case.clear: empty}
    assert case.call(session)


@each_operation
@pytest.mark.parametrize("ciphertext", [None, b"", "text"])
def test_an_answer_without_a_ciphertext_is_refused(
    case: Case, ciphertext: object, client: ScriptedClient, session: RecipientSession
) -> None:
    """None must not become an empty secret."""
    client.answer = {**case.answered, "CiphertextForRecipient": ciphertext}
    with pytest.raises(CiphertextMissingError):
        case.call(session)
    client.answer = dict(case.answered)
    with pytest.raises(CiphertextMissingError):
        case.call(session)


@pytest.mark.parametrize("case", WITH_KEY.values(), ids=WITH_KEY)
@pytest.mark.parametrize("key_id", [OTHER_ARN, ARN.rpartition("/")[2], "alias/payments", "", None])
def test_an_answer_of_another_key_is_refused(
    case: Case, key_id: str | None, client: ScriptedClient, session: RecipientSession
) -> None:
    """Whoever may swap ciphertexts has a key of his own to encrypt them with."""
    client.answer = {**case.answer(session), "KeyId": key_id}
    with pytest.raises(KeyMismatchError, match=ARN):
        case.call(session)


@pytest.mark.parametrize(
    ("method", "member"),
    [
        (method, member)
        for method, members in {
            "generate_data_key": ("CiphertextBlob",),
            "generate_data_key_pair": ("KeyPairSpec", "PublicKey", "PrivateKeyCiphertextBlob"),
        }.items()
        for member in members
    ],
)
@pytest.mark.parametrize("value", [None, b"", 7])
def test_an_answer_without_all_its_members_is_refused(
    method: str, member: str, value: object, client: ScriptedClient, session: RecipientSession
) -> None:
    """A data key whose encrypted copy is lost encrypts for ever."""
    client.answer = {**CASES[method].answer(session), member: value}
    with pytest.raises(ResponseError):
        CASES[method].call(session)


def test_another_kind_of_key_pair_is_refused(client: ScriptedClient, session: RecipientSession) -> None:
    """RSA where a curve was asked for is a surprise best met here."""
    case = CASES["generate_data_key_pair"]
    client.answer = {**case.answer(session), "KeyPairSpec": "RSA_2048"}
    with pytest.raises(ResponseError, match="ECC_NIST_P256"):
        case.call(session)


@pytest.mark.parametrize("method", ["generate_data_key", "generate_random"])
def test_fewer_bytes_than_asked_for_are_a_failed_decryption(
    method: str, client: ScriptedClient, session: RecipientSession
) -> None:
    """KMS never does it, so somebody else did."""
    client.answer = replace(CASES[method], secret=b"short").answer(session)
    with pytest.raises(DecryptionError):
        CASES[method].call(session)
    assert session.closed


def test_a_failed_decryption_ends_the_session(client: ScriptedClient, session: RecipientSession) -> None:
    """The next request would be the next question to a padding oracle."""
    with RecipientSession(session._client, attest) as somebody_else:
        client.answer = CASES["decrypt"].answer(somebody_else)
    with pytest.raises(DecryptionError):
        CASES["decrypt"].call(session)
    asked = len(client.asked)
    with pytest.raises(SessionClosedError):
        CASES["decrypt"].call(session)
    assert len(client.asked) == asked


def test_a_repeated_answer_is_refused(client: ScriptedClient, session: RecipientSession) -> None:
    """The same random bytes twice make the same key twice."""
    client.answer = CASES["generate_random"].answer(session)
    CASES["generate_random"].call(session)
    with pytest.raises(ReplayedResponseError):
        CASES["generate_random"].call(session)


def test_every_request_has_a_document_of_its_own(client: ScriptedClient) -> None:
    """A document ages; KMS refuses one whose certificate has expired."""
    made: list[bytes] = []

    def counting(public_key: bytes) -> bytes:
        made.append(public_key)
        return b"document %d" % len(made)

    scripted: Any = client
    with RecipientSession(scripted, counting) as session:
        for _ in range(2):
            client.answer = CASES["decrypt"].answer(session)
            CASES["decrypt"].call(session)
        assert made == [session.public_key] * 2
    assert [asked["Recipient"]["AttestationDocument"] for asked in client.asked] == [b"document 1", b"document 2"]


def test_leaving_the_session_drops_its_key(client: ScriptedClient) -> None:
    """A key that outlives its use is found in a core dump."""
    scripted: Any = client
    with RecipientSession(scripted, attest) as session:
        assert session.public_key
    assert session.closed
    with pytest.raises(SessionClosedError):
        session.generate_random(1)
    assert client.asked == []


def test_errors_of_kms_and_of_the_nsm_pass_through() -> None:
    """AccessDeniedException tells an operator what to do; an error of ours in its place would not."""
    boto = boto3_client()
    with RecipientSession(boto, attest) as session, Stubber(boto) as stubber:
        stubber.add_client_error("decrypt", "AccessDeniedException", http_status_code=400)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            session.decrypt(b"blob", KEY)

    def broken(_: bytes) -> bytes:
        raise TimeoutError

    with RecipientSession(boto, broken) as session, pytest.raises(TimeoutError):
        session.decrypt(b"blob", KEY)


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/payments",
        "arn:aws:kms:eu-west-1:123456789012:alias/payments",
        "arn:aws:kms:eu-west-1:123456789012:key/",
        "arn:aws:kms:eu-west-1:123456789012:key/a/b",
        "arn:aws:kms:eu-west-1:123456789012:key/*",
        f"{ARN}\n",
        f" {ARN}",
        "arn:aws:iam::123456789012:role/payments",
    ],
)
def test_only_a_key_arn_can_be_pinned(arn: str) -> None:
    """An alias can be pointed at another key between two requests."""
    with pytest.raises(ValueError, match="not the ARN"):
        PinnedKey(arn=arn)


@pytest.mark.parametrize(
    "arn",
    [
        ARN,
        "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws-cn:kms:cn-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ],
)
def test_keys_of_every_partition_can_be_pinned(arn: str) -> None:
    """GovCloud and China have partitions of their own."""
    assert PinnedKey(arn=arn).members() == {"KeyId": arn}


def test_a_pin_does_not_change_after_it_was_made() -> None:
    """The context that was checked in review is the one that is sent."""
    context = {"purpose": "payments"}
    key = PinnedKey(arn=ARN, encryption_context=context)
    context["purpose"] = "refunds"
    members: Any = key.members()
    members["EncryptionContext"]["purpose"] = "refunds"
    assert key.members()["EncryptionContext"] == {"purpose": "payments"}


def test_a_context_that_kms_would_ignore_is_refused(session: RecipientSession) -> None:
    """DeriveSharedSecret has none; dropping it in silence would look like pinning."""
    with pytest.raises(ValueError, match="encryption context"):
        session.derive_shared_secret(b"peer", KEY)


def test_boto3_is_not_imported() -> None:
    """It is the application's choice, and 15 MB of its image."""
    code = "import sys, issuer.kms; sys.exit(any(name.startswith(('boto', 'verifier')) for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
