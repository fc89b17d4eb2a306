"""The example's scripts and templates: what can be shown of them without AWS, Docker and nitro-cli.

Those three are stand-ins that write down how they were called and answer as the tutorial says; everything else that the
scripts call is real.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.eif_writer import write_eif
from verifier import read_policy
from verifier.reference_values.eif import measure_image

ROLE = "arn:aws:iam::123456789012:role/enclave-ParentRole-1ABC"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0") $*" >>calls
case "$(basename "$0") $1 $2" in
  "nitro-cli build-enclave "*) cp image.eif enclave-app.eif; echo "Start building the Enclave Image..."; cat built ;;
  "nitro-cli describe-enclaves "*) cat enclaves ;;
  "aws kms get-key-policy") cat key-policy-now ;;
  "aws kms put-key-policy") cp "${8#file://}" put ;;
  "aws kms encrypt") head -c 32 <"${6#fileb://}" | wc -c ;;
  "aws ec2 describe-instances") echo True ;;
  "sudo tee "*) cat >allocator.yaml ;;
esac
"""
BASH = shutil.which("bash") or "/bin/bash"
PARENT = ("install", "build", "proxies", "run", "describe", "stop")
SCRIPTS = ("aws/deploy", "aws/key-policy", "aws/encrypt", "install", "prove", *(f"parent/{name}" for name in PARENT))


@dataclass(slots=True)
class Bench:
    """A folder to run scripts in, with stand-ins for what is not here."""

    example: Path
    folder: Path

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the example's."""
        places = (self.folder / "bin", Path(sys.executable).parent)
        environment = {
            "PATH": os.pathsep.join([*map(str, places), os.environ["PATH"]]),
            "USER": "ec2-user",
            "PYTHONPATH": str(self.example.parents[1]),
        }
        command = [BASH, str(self.example / f"{script}.sh"), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    def calls(self) -> list[str]:
        """How the stand-ins were called."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def example(checkout: Path) -> Path:
    return checkout / "examples" / "enclave-app"


@pytest.fixture
def bench(example: Path, tmp_path: Path) -> Bench:
    (tmp_path / "bin").mkdir()
    for name in ("aws", "docker", "nitro-cli", "sudo"):
        (tmp_path / "bin" / name).write_text(STAND_IN)
        (tmp_path / "bin" / name).chmod(0o755)
    image = write_eif()
    (tmp_path / "image.eif").write_bytes(image)
    measured = measure_image(io.BytesIO(image))
    pcrs = {f"PCR{index}": value.hex() for index, value in measured.pcrs.items()}
    measurements = {"HashAlgorithm": "Sha384 { ... }", **pcrs}
    (tmp_path / "built").write_text(json.dumps({"Measurements": measurements}, indent=2))
    running = {
        "EnclaveName": "enclave-app",
        "EnclaveID": "i-0123456789abcdef0-enc0123456789abcdef",
        "EnclaveCID": 16,
        "NumberOfCPUs": 2,
        "CPUIDs": [1, 3],
        "MemoryMiB": 2048,
        "State": "RUNNING",
        "Flags": "NONE",
        "Measurements": measurements,
    }
    other = running | {"EnclaveName": "other", "EnclaveID": "i-0123456789abcdef0-enc00", "EnclaveCID": 17}
    (tmp_path / "enclaves").write_text(json.dumps([running, other]))
    (tmp_path / "calls").touch()
    return Bench(example=example, folder=tmp_path)


needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="the scripts use jq, which is not here")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_one_and_stops_at_the_first_failure(script: str, example: Path) -> None:
    """It would go on after a failed build, with the image of last time."""
    path = example / f"{script}.sh"
    assert subprocess.run([BASH, "-n", str(path)], check=False).returncode == 0
    lines = path.read_text().splitlines()
    assert ("set -euo pipefail" if "bash" in lines[0] else "set -eu") in lines
    assert os.access(path, os.X_OK)


def test_every_script_is_tried_here(example: Path) -> None:
    """A new one would be shipped untried."""
    assert {f"{script}.sh" for script in SCRIPTS} == {str(path.relative_to(example)) for path in example.rglob("*.sh")}


def test_a_build_is_measured_twice_and_becomes_a_policy(bench: Bench) -> None:
    """The verifier would trust what one program says of a file."""
    done = bench.run("parent/build", KEY, ROLE, "v1")
    assert done.returncode == 0, done.stderr
    docker, nitro_cli = bench.calls()
    assert f"--build-arg KMS_KEY_ARN={KEY} --build-arg POLICY=enclave-app" in docker
    assert nitro_cli == "nitro-cli build-enclave --docker-uri enclave-app:v1 --output-file enclave-app.eif"
    policy = read_policy((bench.folder / "enclave-app.toml").read_text())
    assert (policy.name, policy.builds[0].name, policy.require.pcr3_role_arn) == ("enclave-app", "v1", (ROLE,))


def test_a_build_that_two_programs_measure_differently_becomes_nothing(bench: Bench) -> None:
    """One of them would be wrong, and nobody would know which."""
    built = (bench.folder / "built").read_text()
    (bench.folder / "built").write_text(re.sub(r'("PCR2": ")..', r"\g<1>00", built))
    assert bench.run("parent/build", KEY, ROLE, "v1").returncode == 1
    assert not (bench.folder / "enclave-app.toml").exists()


@needs_jq
def test_the_key_is_opened_for_the_build_and_nothing_else(bench: Bench) -> None:
    """The role, or the account, could decrypt without an enclave."""
    assert bench.run("parent/build", KEY, ROLE, "v1").returncode == 0
    (bench.folder / "key-policy-now").write_text(json.dumps(template_key_policy(bench.example)))
    done = bench.run("aws/key-policy", KEY, ROLE, "enclave-app.toml")
    assert done.returncode == 0, done.stderr + done.stdout
    put = json.loads((bench.folder / "put").read_text())
    administer, allow = put["Statement"]
    assert administer == template_key_policy(bench.example)["Statement"][0]
    assert (allow["Action"], allow["Principal"]) == ("kms:Decrypt", {"AWS": ROLE})
    pcrs = {f"kms:RecipientAttestation:PCR{index}" for index in range(4)}
    assert set(allow["Condition"]["StringEqualsIgnoreCase"]) == pcrs
    context = {f"kms:EncryptionContext:{name}": value for name, value in context_of_the_image().items()}
    assert allow["Condition"]["StringEquals"] == context


@needs_jq
def test_a_key_that_nobody_could_administer_is_left_as_it_is(bench: Bench) -> None:
    """One mistake would lock the account out of its key for good."""
    assert bench.run("parent/build", KEY, ROLE, "v1").returncode == 0
    (bench.folder / "key-policy-now").write_text('{"Version": "2012-10-17", "Statement": []}')
    done = bench.run("aws/key-policy", KEY, ROLE, "enclave-app.toml")
    assert done.returncode == 1
    assert "nobody could change it again" in done.stderr
    assert not (bench.folder / "put").exists()


def test_the_secret_is_encrypted_for_the_purpose_that_the_image_pins(bench: Bench) -> None:
    """The enclave would refuse it, or its purpose would be anything."""
    done = bench.run("aws/encrypt", KEY)
    assert (done.returncode, done.stdout.strip()) == (0, "32"), done.stderr
    context = ",".join(f"{name}={value}" for name, value in context_of_the_image().items())
    assert f"--encryption-context {context} " in bench.calls()[0]


@needs_jq
def test_what_runs_is_held_to_the_build(bench: Bench) -> None:
    """An enclave in debug mode, or of another build, would serve."""
    assert bench.run("parent/build", KEY, ROLE, "v1").returncode == 0
    done = bench.run("parent/run", "2048", "2")
    assert done.returncode == 1  # this machine is no parent
    assert re.search(r"^parent\.enclave-pcrs +ok ", done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert re.search(r"^parent\.device +failed ", done.stdout, re.MULTILINE)
    run = next(call for call in bench.calls() if "run-enclave" in call)
    assert run == "nitro-cli run-enclave --eif-path enclave-app.eif --memory 2048 --cpu-count 2"
    debug = bench.run("parent/run", "2048", "2", "--debug-mode")
    assert debug.returncode == 0
    assert bench.calls()[-1].endswith("--debug-mode")
    assert "no verifier and no key policy accepts it" in debug.stderr


@needs_jq
def test_its_enclave_is_shown_and_ended_and_no_other(bench: Bench) -> None:
    """Another application's secrets would end with it."""
    shown = bench.run("parent/describe").stdout.splitlines()
    assert shown[0] == "enclave-app i-0123456789abcdef0-enc0123456789abcdef CID 16 RUNNING flags NONE"
    assert bench.run("parent/stop").returncode == 0
    ended = [call for call in bench.calls() if "terminate" in call]
    assert ended == ["nitro-cli terminate-enclave --enclave-id i-0123456789abcdef0-enc0123456789abcdef"]


def test_a_parent_gets_an_allocator_that_a_whole_core_fits_in(bench: Bench) -> None:
    """The enclave would not boot, and nothing would say why."""
    assert bench.run("parent/install", "4096", "3").returncode == 2
    assert bench.calls() == []
    assert bench.run("parent/install", "4096", "4").returncode == 0
    assert yaml.safe_load((bench.folder / "allocator.yaml").read_text()) == {"memory_mib": 4096, "cpu_count": 4}


def test_the_parent_leads_nowhere_but_to_kms_and_the_verifier(bench: Bench) -> None:
    """An enclave, or whoever is on the parent, would have a way to anything."""
    forward = bench.folder / "bin" / "nitro-issuer"
    # It serves until both do: when one ends, the script ends the other.
    until_both = "for _ in $(seq 1000); do [ $(wc -l <calls) -ge 2 ] && break; sleep 0.01; done\n"
    forward.write_text(STAND_IN.replace("printf", 'cat "${@: -1}" >>allowed; printf', 1) + until_both)
    forward.chmod(0o755)
    assert bench.run("parent/proxies", "eu-west-1", "10.0.0.7", "8080").returncode == 0
    one = sorted(re.sub(r" --allow-list .*", "", call) for call in bench.calls())
    assert one == [
        "nitro-issuer forward vsock:any:8000 tcp:kms.eu-west-1.amazonaws.com:443",
        "nitro-issuer forward vsock:any:8080 tcp:10.0.0.7:8080",
    ]
    allowed = (bench.folder / "allowed").read_text().split("allowlist:")[1]
    assert yaml.safe_load(f"allowlist:{allowed}")["allowlist"] == [
        {"address": "kms.eu-west-1.amazonaws.com", "port": 443},
        {"address": "10.0.0.7", "port": 8080},
    ]


def test_deploying_ends_with_what_the_next_steps_need(bench: Bench) -> None:
    """Somebody would find out at the first run-enclave that the instance cannot."""
    assert bench.run("aws/deploy", "enclave", "vpc-1", "subnet-1").returncode == 0
    template = bench.example / "aws" / "parent.yaml"
    assert bench.calls()[0].startswith(f"aws cloudformation deploy --stack-name enclave --template-file {template} ")
    (bench.folder / "bin" / "aws").write_text(STAND_IN.replace("echo True", "echo False"))
    done = bench.run("aws/deploy", "enclave", "vpc-1", "subnet-1")
    assert (done.returncode, "launched without enclaves" in done.stderr) == (1, True)


def test_the_template_lets_nobody_in_and_nobody_decrypt(example: Path) -> None:
    """The key's first policy would already give the secret to the account's administrators, or to the parent."""
    resources = template(example)["Resources"]
    assert resources["Parent"]["Properties"]["EnclaveOptions"] == {"Enabled": True}
    assert resources["Parent"]["Properties"]["MetadataOptions"]["HttpTokens"] == "required"
    assert "SecurityGroupIngress" not in resources["ParentSecurityGroup"]["Properties"]
    assert "Policies" not in resources["ParentRole"]["Properties"]
    (statement,) = template_key_policy(example)["Statement"]
    plaintext = re.compile(r"kms:(\*|Decrypt|Generate|Derive|ReEncrypt|CreateGrant)")
    assert not any(plaintext.match(action) for action in statement["Action"])


def test_the_images_instructions_are_those_that_are_proven(example: Path, checkout: Path) -> None:
    """prove.sh would prove another image."""
    text = (example / "Dockerfile").read_text()
    assert re.findall(r"^RUN (.*)$", text, re.MULTILINE) == ["sh examples/enclave-app/install.sh /opt/enclave-app"]
    assert re.findall(r"^COPY (.*)$", text, re.MULTILINE) == [". .", "--from=build /opt/enclave-app /opt/enclave-app"]
    allowed = [line[1:] for line in (example / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert all((checkout / name).exists() for name in allowed)
    assert not any(name.endswith(("laptop.py", "parent", "aws", "tests")) for name in allowed)


def template(example: Path) -> Any:  # noqa: ANN401 - YAML
    """The CloudFormation template, with its functions as what they are given."""

    class Loader(yaml.SafeLoader):
        """Takes the tags of CloudFormation."""

    def plain(_: yaml.SafeLoader, __: str, node: yaml.Node) -> object:
        return node.value

    Loader.add_multi_constructor("!", plain)
    return yaml.load((example / "aws" / "parent.yaml").read_text(), Loader)  # noqa: S506 - a safe loader


def template_key_policy(example: Path) -> Any:  # noqa: ANN401 - YAML
    """The policy that the key is made with, for an account."""
    policy = template(example)["Resources"]["SecretKey"]["Properties"]["KeyPolicy"]
    text = json.dumps(policy).replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", "123456789012")
    return json.loads(text)


def context_of_the_image() -> dict[str, str]:
    """What enclave_app/settings.py pins."""
    from enclave_app.settings import CONTEXT  # noqa: PLC0415 - only these need the example's package

    return CONTEXT
