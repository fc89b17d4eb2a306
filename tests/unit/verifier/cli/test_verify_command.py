"""One document, one verdict, one exit code."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from issuer.nsm import ThrowawayPki
from tests.unit.verifier.cli.world import Invoke, World
from verifier import bundled_anchor
from verifier.cli.inputs import MAX_INPUT_BYTES

AT = "2026-01-31T12:00:01Z"
NONCE = bytes(range(32)).hex()


def good(world: World) -> list[str | Path]:
    return ["--policy", world.policy, "--anchor", world.pinned_root, "--nonce", NONCE, "--at", AT]


def test_a_good_document_is_affirmed_with_exit_code_0(invoke: Invoke, world: World) -> None:
    """Scripts that branch on the exit code would refuse genuine enclaves."""
    outcome = invoke("verify", world.document, *good(world))
    assert outcome.code == 0
    assert "affirmed" in outcome.text
    assert "build hello of policy payments" in outcome.text


def test_a_time_that_was_given_cannot_pass_for_now(invoke: Invoke, world: World) -> None:
    """A verdict about the past would be taken for one about the present."""
    outcome = invoke("verify", world.document, *good(world))
    assert "affirmed as of 2026-01-31T12:00:01.000Z, not now (historical)" in outcome.text
    assert "not now: the time was given" in outcome.text
    in_json = invoke("verify", world.document, *good(world), "--json")
    assert "evaluated at 2026-01-31T12:00:01.000Z, not now" in in_json.stderr
    assert json.loads(in_json.stdout)["historical"] is True


def test_a_document_can_be_checked_as_of_its_own_time(invoke: Invoke, world: World) -> None:
    """Whoever checks an archive would have to read each timestamp first."""
    outcome = invoke("verify", world.document, *good(world)[:-1], "document", "--json")
    body = json.loads(outcome.stdout)
    assert (outcome.code, body["verdict"], body["historical"]) == (0, "affirmed", True)
    assert body["evaluated_at"] == body["claims"]["timestamp"]


def test_what_has_no_time_of_its_own_is_rejected_as_of_now(invoke: Invoke, world: World) -> None:
    """A broken file in an archive would be a bug of the program."""
    world.document.write_bytes(b"noise")
    outcome = invoke("verify", world.document, "--at", "document", "--json")
    body = json.loads(outcome.stdout)
    assert (outcome.code, body["verdict"], body["historical"]) == (1, "rejected", True)


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_json_of_a_document_cannot_drive_a_terminal(invoke: Invoke, world: World, command: str) -> None:
    """Whoever looks at it would see what the document's author wants seen."""
    document = world.write("odd.cbor", world.sign({"\x9b31m\u202e\x7f\x1b[2J": 1}))
    options = good(world) if command == "verify" else ["--at", AT]
    outcome = invoke(command, document, *options, "--json")
    assert json.loads(outcome.stdout)
    assert "\\u009b31m\\u202e\\u007f\\u001b[2J" in outcome.stdout.decode("ascii")
    assert outcome.stdout.decode("ascii").strip().isprintable()


def test_without_at_the_time_is_now(invoke: Invoke, world: World) -> None:
    """Old documents would be affirmed."""
    outcome = invoke("verify", world.document, *good(world)[:-2])
    assert outcome.code == 1
    assert "path.expired" in outcome.text
    assert "not now" not in outcome.text
    assert json.loads(invoke("verify", world.document, *good(world)[:-2], "--json").stdout)["historical"] is False


def test_a_root_that_is_not_aws_s_is_named_as_such(invoke: Invoke, world: World) -> None:
    """A software NSM's verdict would look like a genuine one."""
    assert "not AWS's commercial root" in invoke("verify", world.document, *good(world)).text


def test_without_a_policy_claims_are_shown_and_nothing_is_affirmed(invoke: Invoke, world: World) -> None:
    """A forgotten option would affirm anything, or hide what there is to write a policy from."""
    outcome = invoke("verify", world.document, "--anchor", world.pinned_root, "--at", AT)
    assert outcome.code == 1
    assert "measurement.no-policy" in outcome.text
    assert "authentic, not affirmed: do not act on it" in outcome.text
    assert world.nsm().module_id in outcome.text


def test_every_finding_is_shown_with_its_hint(invoke: Invoke, world: World) -> None:
    """An operator would fix a policy one round at a time."""
    world.document.write_bytes(world.nsm(debug=True).attestation(nonce=b"another"))
    outcome = invoke("verify", world.document, *good(world))
    assert outcome.code == 1
    assert "measurement.debug-mode" in outcome.text
    assert "freshness.nonce-mismatch" in outcome.text
    assert "restart it without" in outcome.text
    assert "debug mode yes" in outcome.text


def test_a_policy_that_allows_debug_mode_is_noticed(invoke: Invoke, world: World) -> None:
    """A policy for development would stay in production."""
    world.policy.write_text('debug = "allow"\n' + world.policy.read_text())
    world.document.write_bytes(world.nsm(debug=True).attestation(nonce=bytes.fromhex(NONCE)))
    outcome = invoke("verify", world.document, *good(world))
    assert outcome.code == 0
    assert "debug mode hides which build of policy payments" in outcome.text
    assert "allows debug mode: for development only" in outcome.text


def test_a_forged_document_shows_none_of_its_claims(invoke: Invoke, world: World) -> None:
    """A forger's words would be printed under our name."""
    data = bytearray(world.document.read_bytes())
    data[data.index(b"affirmed")] ^= 1
    world.document.write_bytes(data)
    outcome = invoke("verify", world.document, *good(world))
    assert outcome.code == 1
    assert "signature.invalid" in outcome.text
    assert world.nsm().module_id not in outcome.text


def test_json_is_the_http_result_and_nothing_else(invoke: Invoke, world: World) -> None:
    """Programs would have to parse pages made for people."""
    outcome = invoke("verify", world.document, *good(world), "--json")
    body = json.loads(outcome.stdout)
    assert outcome.code == 0
    assert (body["verdict"], body["build"], body["request_id"]) == ("affirmed", "hello", None)
    assert body["anchor"]["name"] == "throwaway-root"


def test_json_about_now_needs_no_note(invoke: Invoke, world: World) -> None:
    """A note on every verdict would be read on none."""
    outcome = invoke("verify", world.document, *good(world)[:-2], "--json")
    assert (outcome.code, outcome.stderr) == (1, "")


def test_quiet_leaves_the_exit_code_alone_to_speak(invoke: Invoke, world: World) -> None:
    """Scripts would fill logs, or lose the verdict."""
    text = world.write("document.b64", base64.b64encode(world.document.read_bytes()))
    options = good(world)
    options[3] = world.root  # not pinned, which is otherwise worth a note
    outcome = invoke("verify", text, *options, "--quiet")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"", "")
    assert invoke("verify", world.document, "--quiet").code == 1


def test_a_document_may_come_from_stdin(invoke: Invoke, world: World) -> None:
    """Pipelines would need a temporary file."""
    assert invoke("verify", "-", *good(world), stdin=world.document.read_bytes()).code == 0


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode])
def test_text_that_is_strictly_base64_is_decoded_and_told_so(
    invoke: Invoke, world: World, encode: Callable[[bytes], bytes]
) -> None:
    """People paste what they have; guessing in silence would be worse than refusing."""
    text = world.write("document.txt", encode(world.document.read_bytes()) + b"\n")
    outcome = invoke("verify", text, *good(world))
    assert outcome.code == 0
    assert "decoded as base64" in outcome.stderr


def test_hexadecimal_text_is_not_decoded_but_recognised(invoke: Invoke, world: World) -> None:
    """A user would be left with "malformed" and no idea why."""
    text = world.write("document.hex", world.document.read_bytes().hex())
    outcome = invoke("verify", text, *good(world))
    assert outcome.code == 1
    assert "envelope.malformed" in outcome.text
    assert "xxd -r -p" in outcome.stderr


def test_an_anchor_without_a_fingerprint_is_shown_with_one_to_pin(invoke: Invoke, world: World) -> None:
    """A root from a file would be trusted without anyone having seen which."""
    options = good(world)
    options[3] = world.root
    outcome = invoke("verify", world.document, *options)
    assert outcome.code == 0
    assert world.pki.root_sha256.hex() in outcome.stderr
    assert world.pki.root_sha256.hex() in outcome.text.replace(" ", "")


def test_roots_of_one_file_name_are_told_apart(invoke: Invoke, world: World) -> None:
    """Two partitions' root.pem, or the bundled root given again, would be refused as a configuration mistake."""
    options = good(world)
    (world.folder / "other").mkdir()
    namesake = world.write(f"other/{world.root.name}", ThrowawayPki(seed=b"another partition").root_pem)
    again = world.write("aws-nitro-root-g1.der", bundled_anchor().certificate.der)
    outcome = invoke(
        "verify", world.document, *options, "--anchor", namesake, "--anchor", again, "--anchor", world.root
    )
    assert outcome.code == 0


@pytest.mark.parametrize("content", [b"", b"\x00", b"hello", b"\xff" * 20_000, b"\x84", b"[" * 5000])
def test_bytes_that_are_no_document_are_rejected_and_not_an_error(invoke: Invoke, world: World, content: bytes) -> None:
    """A sender of rubbish could make the command fail instead of refuse."""
    outcome = invoke("verify", world.write("rubbish", content), *good(world))
    assert outcome.code == 1
    assert "rejected" in outcome.text
    assert "Traceback" not in outcome.stderr


USAGE = {
    "no file": [],
    "a file that is not there": ["/nonexistent/document"],
    "a file's name with a NUL": ["a\0b"],
    "a folder": ["{folder}"],
    "a file larger than any text around a document": ["{huge}"],
    "an unknown option": ["{document}", "--frobnicate"],
    "a time without a zone": ["{document}", "--at", "2026-01-31T12:00:00"],
    "a date alone": ["{document}", "--at", "2026-01-31"],
    "the month 13": ["{document}", "--at", "2026-13-31T12:00:00Z"],
    "a word for a time": ["{document}", "--at", "yesterday"],
    "a time before the year 1": ["{document}", "--at", "0001-01-01T00:00:00+14:00"],
    "a time after the year 9999": ["{document}", "--at", "9999-12-31T23:59:59-14:00"],
    "an empty nonce": ["{document}", "--nonce", ""],
    "a nonce in no encoding": ["{document}", "--nonce", "not!"],
    "a policy that is not there": ["{document}", "--policy", "/nonexistent/policy.toml"],
    "a policy that is not TOML": ["{document}", "--policy", "{document}"],
    "a policy that is not UTF-8": ["{document}", "--policy", "{latin}"],
    "a policy without builds": ["{document}", "--policy", "{empty}"],
    "an anchor that is no certificate": ["{document}", "--anchor", "{policy}"],
    "an anchor of no length": ["{document}", "--anchor", "{empty}"],
    "an anchor with another fingerprint": ["{document}", "--anchor", "{root}#sha256=" + "00" * 32],
    "an anchor with half a fingerprint": ["{document}", "--anchor", "{root}#sha256=00"],
    "an anchor with an empty fingerprint": ["{document}", "--anchor", "{root}#sha256="],
    "two kinds of output": ["{document}", "--json", "--quiet"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_usage_exits_2_with_a_sentence_and_no_verdict(invoke: Invoke, world: World, arguments: list[str]) -> None:
    """A mistyped command could pass for a rejection, or show a traceback."""
    names = {
        "folder": world.folder,
        "document": world.document,
        "policy": world.policy,
        "root": world.root,
        "huge": world.write("huge", bytes(MAX_INPUT_BYTES + 1)) if "{huge}" in arguments else "",
        "latin": world.write("latin.toml", b'name = "\xe9"'),
        "empty": world.write("empty.toml", b""),
        "twin": world.write("throwaway-root.pem", ThrowawayPki(seed=bytes(32)).root_pem),
    }
    outcome = invoke("verify", *(argument.format(**names) for argument in arguments))
    assert outcome.code == 2
    assert outcome.stdout == b""
    assert outcome.stderr.strip()
    assert "Traceback" not in outcome.stderr


def test_a_policy_names_itself_or_is_called_after_its_file(invoke: Invoke, world: World) -> None:
    """Results would name a policy that nobody knows."""
    world.write("other.toml", 'name = "payments"\n' + world.policy.read_text())
    options = good(world)
    options[1] = Path(world.folder, "other.toml")
    assert "of policy payments" in invoke("verify", world.document, *options).text


def test_a_policy_may_begin_with_a_byte_order_mark(invoke: Invoke, world: World) -> None:
    """What Notepad and PowerShell save would be refused as something that is no TOML."""
    world.policy.write_text("\N{BYTE ORDER MARK}" + world.policy.read_text())
    assert invoke("verify", world.document, *good(world)).code == 0


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time_are_times(invoke: Invoke, world: World, at: str) -> None:
    """Whoever asks what a document is worth then would be told of a bug."""
    options = good(world)
    assert invoke("verify", world.document, *options[:-1], at).code == 1
    assert invoke("inspect", world.document, "--at", at).code == 0


def test_fields_that_this_version_does_not_know_are_named_and_escaped(invoke: Invoke, world: World) -> None:
    """Text from a document could steer the terminal, or a new field would go unnoticed."""
    world.document.write_bytes(world.sign({"\x1b[2J\u202e": 1}))
    outcome = invoke("verify", world.document, *good(world))
    assert outcome.code == 0
    assert "unrecognised \\x1b[2J\\u202e" in outcome.text
    assert b"\x1b" not in outcome.stdout


def test_a_nitro_tpm_document_is_shown_as_one(invoke: Invoke, world: World) -> None:
    """An operator would read an instance's boot loader as an instance's id."""
    boot = {4: b"\x04" * 48, 12: bytes(48)}
    world.document.write_bytes(world.sign_tpm(boot))
    pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in boot.items())
    world.policy.write_text(f'evidence = "nitro-tpm"\n[[build]]\nname = "ami"\npcrs = {{ {pcrs} }}\n')
    outcome = invoke("verify", world.document, *good(world))
    assert (outcome.code, "build ami of policy payments" in outcome.text) == (0, True)
    assert "nitro-tpm: of an EC2 instance, not of an enclave" in outcome.text
    assert "boot binaries" in outcome.text


def test_what_a_shadow_would_have_said_is_shown_and_decides_nothing(invoke: Invoke, world: World) -> None:
    """A build that is being tried would be affirmed, or nobody would see that it could be."""
    hello = world.policy.read_text()
    other = hello.replace("hello", "next").replace('0 = "', f'16 = "{"aa" * 48}", 0 = "')
    world.policy.write_text(hello + other.replace("[[build]]", "[[shadow]]"))
    agreed = invoke("verify", world.document, *good(world))
    world.policy.write_text(other + hello.replace("[[build]]", "[[shadow]]"))
    tried = invoke("verify", world.document, *good(world))
    assert (agreed.code, tried.code) == (0, 1)
    assert "shadow both-affirm, build hello (policy payments; decides nothing)" in agreed.text
    assert "shadow would-affirm, build hello" in tried.text


def test_a_shadow_policy_decides_nothing(invoke: Invoke, world: World) -> None:
    """What is only tried would be taken for a verdict."""
    world.policy.write_text('shadow_of = "production"\n' + world.policy.read_text())
    outcome = invoke("verify", world.document, *good(world))
    assert (outcome.code, "shadows production and decides nothing" in outcome.stderr) == (2, True)
