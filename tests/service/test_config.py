"""Configuration: understood whole before a port is opened, or refused with every mistake at once."""

import base64
import json
import os
from pathlib import Path

import pytest

from tests.service.harness import POLICIES, pki, policy_text
from verifier.ear.keys import generate_key
from verifier.reasons import ConfigurationError
from verifier.service.config import load_settings
from verifier.service.cores import count_cores
from verifier.service.options import ENVIRONMENT_PREFIX, Options
from verifier.service.settings import Settings
from verifier.trust.anchors import AWS_NITRO_ROOT_G1_NAME

KEY = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with policies, a root and keys."""
    (tmp_path / "policies").mkdir()
    for name, text in POLICIES.items():
        (tmp_path / "policies" / f"{name}.toml").write_text(text)
    (tmp_path / "root.pem").write_text(pki().root_pem)
    for name in ("one", "two", "three"):
        key = tmp_path / f"{name}.key"
        key.write_bytes(name.encode() + KEY)
        key.chmod(0o600)
    return tmp_path


def problems(**given: object) -> tuple[str, ...]:
    """What is wrong with these options."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides=given)
    return caught.value.problems


def load(folder: Path, **given: object) -> Settings:
    """Settings with the folder's policies."""
    return load_settings(overrides={"policies": folder / "policies", **given})


def test_the_policies_alone_are_enough(folder: Path) -> None:
    """Whoever tries it would have to read all of the manual first."""
    settings = load(folder)

    assert (settings.addresses.host, settings.addresses.port) == ("127.0.0.1", 8080)
    assert set(settings.policies) == set(POLICIES)
    assert [anchor.name for anchor in settings.anchors] == [AWS_NITRO_ROOT_G1_NAME]
    assert settings.keyring.ephemeral
    assert settings.state is None
    assert settings.nonce_ttl == 300
    assert [warning.split(":")[0] for warning in settings.warnings] == ["policy lab"]


def test_what_kubernetes_sets_beside_a_service_of_our_name_is_no_option(folder: Path) -> None:
    """A pod would refuse to start because its own Service is called nitro-verifier."""
    environ = {
        "NITRO_VERIFIER_SERVICE_HOST": "10.0.0.1",
        "NITRO_VERIFIER_SERVICE_PORT": "80",
        "NITRO_VERIFIER_SERVICE_PORT_HTTP": "80",
        "NITRO_VERIFIER_PORT": "tcp://10.0.0.1:80",
        "NITRO_VERIFIER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "NITRO_VERIFIER_PORT_80_TCP_ADDR": "10.0.0.1",
        "NITRO_VERIFIER_DEBUG": "1",
    }

    assert load_settings(environ=environ, overrides={"policies": folder / "policies"}).addresses.port == 8080


def test_a_policy_that_allows_debug_mode_is_worth_a_warning(folder: Path) -> None:
    """The example for laptops would go to production unnoticed, beside the policies that were meant."""
    (warning,) = load(folder).warnings

    assert "lab: debug mode is allowed" in warning


def test_flags_win_over_the_environment_and_that_over_the_file(folder: Path) -> None:
    """Nobody could say which port it will be."""
    file = folder / "service.toml"
    file.write_text('policies = "policies"\nhost = "file"\nport = 1\naudience = "file"\n')
    environ = {"NITRO_VERIFIER_PORT": "2", "NITRO_VERIFIER_AUDIENCE": "environment", "PORT": "9", "HOME": "/"}

    settings = load_settings(file=file, environ=environ, overrides={"audience": "flag", "host": None})

    assert (settings.addresses.host, settings.addresses.port, settings.audience) == ("file", 2, "flag")


def test_the_environment_may_name_the_file(folder: Path) -> None:
    """A container is configured by its environment."""
    file = folder / "service.toml"
    file.write_text('policies = "policies"\n')

    assert load_settings(environ={"NITRO_VERIFIER_CONFIG": str(file)}).addresses.port == 8080


def test_every_option_can_be_given_in_the_environment(folder: Path) -> None:
    """An option that only a file can set is no use to those who have none."""
    anchor = f'[{{name = "mine", file = "{folder}/root.pem", sha256 = "{pki().root_sha256.hex()}"}}]'
    keys = f'{{current = {{id = 1, file = "{folder}/one.key"}}, previous = {{id = 2, file = "{folder}/two.key"}}}}'
    given = {
        "policies": f"{folder}/policies", "default_policy": "open", "host": "::1", "port": "1", "reuse_port": "true",
        "bundled_anchor": "false", "anchors": anchor, "engine": "openssl", "path_cache": "0", "audience": "a",
        "nonce_ttl": "1h", "nonce_keys": keys, "issuer": "https://a.example", "result_lifetime": "2m",
        "rejected_result_lifetime": "3s", "signing_keys": f'{{current = "{folder}/sign.jwk"}}',
        "ephemeral_signing_key": "false", "historical": "allow", "inspector": "off", "single_use": "embedded",
        "state": f"{folder}/used", "max_in_flight": "3", "max_connections": "4",
        "header_timeout": "1s", "body_timeout": "1500ms", "keepalive_timeout": "1m",
        "shutdown_delay": "2s", "shutdown_timeout": "3s", "log_level": "error", "tcp": "true", "unix_socket": "s",
        "unix_socket_mode": "0600", "vsock_port": "5", "vsock_cid": "3", "workers": "3", "reload_interval": "500ms",
    }  # fmt: skip
    assert set(given) == set(Options.__struct_fields__)
    private = generate_key().private
    assert private is not None
    (folder / "sign.jwk").write_text(json.dumps(private.as_dict(private=True)))

    settings = load_settings(environ={f"{ENVIRONMENT_PREFIX}{name.upper()}": text for name, text in given.items()})

    assert [anchor.name for anchor in settings.anchors] == ["mine"]
    assert settings.engine == "openssl"
    assert settings.path_cache == 0
    assert settings.keyring.previous is not None
    assert (settings.keyring.current.id, settings.keyring.current.secret) == (1, b"one" + KEY)
    assert settings.limits.body_timeout == 1.5
    assert settings.nonce_ttl == 3600
    assert settings.addresses.reuse_port
    assert settings.historical
    assert settings.signer is not None
    assert settings.signer.issuer.rejected_lifetime.total_seconds() == 3
    assert (settings.addresses.unix_socket_mode, settings.workers, settings.reload_interval) == (0o600, 3, 0.5)


def test_paths_in_a_file_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service would find its policies from one directory only."""
    file = folder / "service.toml"
    file.write_text(
        'policies = "policies"\nsingle_use = "embedded"\nstate = "used"\n'
        '[nonce_keys]\ncurrent = { id = 1, file = "one.key" }\n'
        f'[[anchors]]\nname = "mine"\nfile = "root.pem"\nsha256 = "{pki().root_sha256.hex()}"\n'
    )
    monkeypatch.chdir("/")

    settings = load_settings(file=file)

    assert settings.state == folder / "used"
    assert len(settings.anchors) == 2


def test_every_mistake_is_named_at_once(folder: Path) -> None:
    """An operator would fix one, restart, and meet the next."""
    (folder / "policies" / "broken.toml").write_text("name = ")
    (folder / "policies" / "latin.toml").write_bytes(b"\xff")
    (folder / "policies" / "other.toml").write_text(policy_text(name="payments"))
    (folder / "short.key").write_bytes(b"\x00short")

    found = problems(
        policies=folder / "policies",
        default_policy="nope",
        port=70000,
        host=5,
        colour="red",
        anchors=[{"name": "mine", "file": str(folder / "root.pem"), "sha256": "00" * 32}],
        nonce_ttl="2h",
        header_timeout="0s",
        body_timeout="soon",
        nonce_keys={"current": {"id": 1, "file": str(folder / "short.key")}},
        single_use="embedded",
        max_connections=65000,
    )

    for piece in (
        "option port", "option host", "option colour", "broken", "latin", "another file", "default_policy", "mine",
        "nonce_ttl", "header_timeout", "body_timeout", "nonce key 1", "single_use",
    ):  # fmt: skip
        assert any(piece in problem for problem in found), (piece, "\n".join(found))
    assert len(found) == len(set(found))


MISTAKES: dict[str, tuple[dict[str, object], str]] = {
    "no policies": ({"policies": None}, "name the directory"),
    "a directory without policies": ({"policies": "/proc"}, "not a directory with"),
    "a file for a directory": ({"policies": "/dev/null"}, "not a directory with"),
    "an engine nobody makes": ({"engine": "rot13"}, "engine"),
    "no anchor": ({"bundled_anchor": False}, "no trust anchor"),
    "an anchor that is not there": ({"anchors": [{"name": "a", "file": "/nope", "sha256": "0"}]}, "/nope"),
    "an anchor without its fingerprint": ({"anchors": [{"name": "a", "file": "/nope"}]}, "sha256"),
    "no anchor that can be read": (
        {"bundled_anchor": False, "anchors": ({"name": "a", "file": "/nope", "sha256": "0"},)},
        "/nope",
    ),
    "anchors that are no TOML": ({"anchors": "[{"}, "option anchors"),
    "an endless anchor": ({"anchors": [{"name": "a", "file": "/dev/zero", "sha256": "0"}]}, "longer than"),
    "a key that is not there": ({"nonce_keys": {"current": {"id": 1, "file": "/nope"}}}, "/nope"),
    "an endless key": ({"nonce_keys": {"current": {"id": 1, "file": "/dev/zero"}}}, "longer than"),
    "a key's id": ({"nonce_keys": {"current": {"id": 256, "file": "/nope"}}}, "nonce_keys"),
    "no current key": ({"nonce_keys": {"next": {"id": 1, "file": "/nope"}}}, "current"),
    "a state without single use": ({"state": "/tmp/state"}, "state"),  # noqa: S108 - nothing is made there
    "a state in no directory": ({"single_use": "embedded", "state": "/nope/state"}, "not a directory"),
    "seconds without a unit": ({"nonce_ttl": "90"}, "nonce_ttl"),
    "no whole seconds": ({"nonce_ttl": "1500ms"}, "nonce_ttl"),
    "no workers": ({"workers": 0}, "workers"),
    "workers that are no number": ({"workers": "many"}, "workers"),
    "a mode that is none": ({"unix_socket_mode": "rw-------"}, "unix_socket_mode"),
    "nowhere to listen": ({"tcp": False}, "tcp"),
    "looking all the time": ({"reload_interval": "50ms"}, "reload_interval"),
    "more connections than files": ({"max_connections": 65536}, "max_connections"),
}


def test_a_mistake_in_a_policy_names_its_file(folder: Path) -> None:
    """An operator with fifty policies would look for the one that is not called after its file."""
    path = folder / "policies" / "new.toml"
    path.write_text('max_agge = "5m"\n' + policy_text(name="shop"))
    assert problems(policies=folder / "policies") == (f"{path}: policy shop: unknown key 'max_agge'",)


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_refused_and_named(folder: Path, case: str) -> None:
    """It would come as a surprise, later."""
    given, piece = MISTAKES[case]
    resource_is_unbounded = case == "more connections than files" and _hard_limit() >= 65536 + 64
    if resource_is_unbounded:
        assert load(folder, **given).limits.max_connections == 65536
        return

    found = problems(**({"policies": folder / "policies"} | given))

    assert any(piece in problem for problem in found), found


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", None),
        ("100000 100000", 1),
        ("1 100000", 1),
        ("100001 100000", 2),
        ("6400000 100000", None),
        ("", None),
    ],
)
def test_auto_is_a_worker_for_each_core_that_the_container_may_use(
    tmp_path: Path, quota: str, cores: int | None
) -> None:
    """Sixty-four workers would share the time of one core."""
    file = tmp_path / "cpu.max"
    if quota:
        file.write_text(f"{quota}\n")
    ours = len(os.sched_getaffinity(0))

    assert count_cores(file) == min(ours, cores or ours)


def test_workers_auto_is_understood(folder: Path) -> None:
    """It is what most would write."""
    assert load(folder, workers="auto").workers == count_cores()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"port": "99999"}, "option port: must be a whole number from 0 to 65535"),
        ({"engine": "rot13"}, "option engine: must be aws-lc or openssl"),
        ({"reuse_port": "perhaps"}, "option reuse_port: must be true or false"),
        ({"workers": "many"}, "option workers: must be a whole number from 1 to 256 or auto"),
        ({"host": 5}, "option host: Expected `str`, got `int`"),
    ],
)
def test_a_mistake_says_what_the_option_takes(folder: Path, given: dict[str, object], sentence: str) -> None:
    """An operator would have to look it up, or to know our decoder's words."""
    assert sentence in problems(policies=folder / "policies", **given)


def _hard_limit() -> float:
    import resource  # noqa: PLC0415 - for this alone

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return float("inf") if hard == resource.RLIM_INFINITY else hard


@pytest.mark.parametrize("content", [None, b"port = ", b"\xff", b"x = 1\n" * 200_000])
def test_a_file_that_cannot_be_read_is_refused(folder: Path, content: bytes | None) -> None:
    """The service would start with defaults that nobody meant."""
    file = folder / "service.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"service\.toml"):
        load_settings(file=file, overrides={"policies": folder / "policies"})


def test_files_may_begin_with_a_byte_order_mark(folder: Path) -> None:
    """What Notepad and PowerShell save would be refused as something that is no TOML."""
    mark = "\N{BYTE ORDER MARK}"
    (folder / "policies" / "windows.toml").write_text(mark + policy_text(name="windows"))
    file = folder / "service.toml"
    file.write_text(mark + 'policies = "policies"\nport = 7\n')

    settings = load_settings(file=file)

    assert settings.addresses.port == 7
    assert "windows" in settings.policies


def test_an_unknown_variable_with_our_prefix_is_refused(folder: Path) -> None:
    """A mistyped option would be an option that is not set."""
    with pytest.raises(ConfigurationError, match="NITRO_VERIFIER_PROT"):
        load_settings(environ={"NITRO_VERIFIER_PROT": "1"}, overrides={"policies": folder / "policies"})


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper() + "\n",
        base64.b64encode(KEY).decode() + "\n",
        base64.urlsafe_b64encode(KEY).decode(),
        f"{base64.b64encode(KEY[:15]).decode()}\r\n{base64.b64encode(KEY[15:]).decode()}\r\n",
        f"{KEY[:16].hex()}\n  {KEY[16:].hex()}\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_key_may_be_written_as_text_however_its_lines_end(folder: Path, text: str, encoding: str) -> None:
    """Two replicas whose secret stores treat line ends differently would refuse each other's nonces."""
    (folder / "text.key").write_bytes(text.encode(encoding))
    settings = load(folder, nonce_keys={"current": {"id": 7, "file": str(folder / "text.key")}})

    assert settings.keyring.current.secret == KEY


@pytest.mark.parametrize("raw", [b"\x00" + KEY, b"\xff" * 32, b"\x01" * 40, b"\xff\xfe" + b"NO" * 20])
def test_a_key_may_be_bytes_as_they_are(folder: Path, raw: bytes) -> None:
    """A key of random bytes must not lose one that looks like a blank."""
    (folder / "raw.key").write_bytes(raw + b"\n")
    settings = load(folder, nonce_keys={"current": {"id": 7, "file": str(folder / "raw.key")}})

    assert settings.keyring.current.secret == raw + b"\n"


@pytest.mark.parametrize(
    "phrase",
    [
        "correct horse battery staple, and then some more",
        "correct horse battery staple and\nthen quite a few more of such words\n",
        "correct horse\tbattery staple, and then some more",
        "Übermäßig viele Wörter, die sich jemand merken kann",
        "\N{BYTE ORDER MARK}correct horse battery staple, and then some more",
    ],
)
def test_a_pass_phrase_is_no_key(folder: Path, phrase: str) -> None:
    """Forty characters that somebody can remember can also be guessed."""
    (folder / "text.key").write_text(phrase)

    assert any(
        "openssl rand" in problem
        for problem in problems(
            policies=folder / "policies", nonce_keys={"current": {"id": 7, "file": str(folder / "text.key")}}
        )
    )


def test_two_keys_with_one_id_are_refused(folder: Path) -> None:
    """A nonce names its key by that id."""
    keys = {
        name: {"id": 1, "file": str(folder / f"{file}.key")} for name, file in (("current", "one"), ("next", "two"))
    }

    assert any("different ids" in problem for problem in problems(policies=folder / "policies", nonce_keys=keys))


def test_a_key_that_others_can_read_is_worth_a_warning(folder: Path) -> None:
    """Whoever can read it can make nonces."""
    (folder / "one.key").chmod(0o644)
    settings = load(folder, nonce_keys={"current": {"id": 1, "file": str(folder / "one.key")}})

    assert [warning for warning in settings.warnings if "0644" in warning]


def test_settings_do_not_show_keys(folder: Path) -> None:
    """A traceback or a debugger would print them."""
    settings = load(folder, nonce_keys={"current": {"id": 1, "file": str(folder / "one.key")}})

    assert repr(KEY)[2:-1] not in repr(settings)
    assert KEY.hex() not in repr(settings)
