"""Policies and nonce keys change while the service runs, whole or not at all."""

import asyncio
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.service.harness import POLICIES, Running, enclave, make_settings, policy_text, running
from verifier.ear.errors import EarError
from verifier.ear.keyrings import read_jwks
from verifier.ear.keys import generate_key
from verifier.ear.reading import read_token
from verifier.reasons import ConfigurationError
from verifier.service.policyfiles import PolicySet, read_policies
from verifier.service.reload import RETRY_EVERY, Failed, Loaded, Reloadable, Unchanged, Watch
from verifier.service.watcher import Watcher

FAST = "100ms"
ISSUER = "https://verifier.example"
OTHER_BUILD = policy_text().replace('"v1"', '"v2"')


def until(true: Callable[[], object], why: str = "it did not happen") -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def write(path: Path, text: str) -> None:
    """Replace a file as careful programs do."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.rename(path)


def live(service: Running, item: str = "policies") -> dict[str, Any]:
    """What ``/readyz`` says of one thing."""
    reply = service.call("GET", "/readyz")
    assert reply.status == 200
    found: dict[str, Any] = reply.json["reloads"][item]
    return found


def digest_of_set(service: Running) -> str:
    """The digest of all policies, made as the documentation says."""
    listed = service.call("GET", "/v1/policies").json["policies"]
    lines = "".join(f"{each['sha256']}  {each['name']}\n" for each in listed)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """A service that looks often."""
    with running(make_settings(tmp_path, default_policy="payments", reload_interval=FAST)) as started:
        yield started


def test_a_changed_policy_is_in_force_without_a_restart(service: Running, tmp_path: Path) -> None:
    """Each new build would need a deployment of the verifier."""
    before, good = live(service), enclave().attestation()
    assert service.verify(good, "policy=open").status == 200

    write(tmp_path / "policies" / "open.toml", POLICIES["open"] + "not_after = 2020-01-01T00:00:00Z\n")
    until(lambda: live(service)["last_reload"] == "ok")
    after = live(service)

    assert service.verify(good, "policy=open").reasons == ["measurement.build-expired"]
    assert before["live"] != after["live"] == digest_of_set(service)
    [line] = service.lines("reloaded")
    assert (line["was"], line["now"], line["removed"]) == (before["live"], after["live"], [])
    assert line["changed"] == {"open": service.service.policies["open"].sha256}
    assert service.metric("reloads_total", item="policies", outcome="loaded") == 1
    assert service.metric("policies_info", sha256=after["live"].removeprefix("sha256:")) == 1
    assert service.metric("reload_timestamp_seconds", item="policies") > 0


def remove(folder: Path) -> None:
    """Delete the directory."""
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    """Delete everything in it."""
    for path in folder.iterdir():
        path.unlink()


def unreadable(folder: Path) -> None:
    """Put something there that cannot be read."""
    (folder / "extra.toml").mkdir()


BROKEN: dict[str, Callable[[Path], object]] = {
    "not TOML": lambda folder: (folder / "open.toml").write_text('secret-looking-text = "'),
    "an unknown key": lambda folder: (folder / "open.toml").write_text(
        'secret-looking-text = "x"\n' + POLICIES["open"]
    ),
    "half a file": lambda folder: (folder / "open.toml").write_text(POLICIES["open"][:60]),
    "an empty file": lambda folder: (folder / "open.toml").write_text(""),
    "not UTF-8": lambda folder: (folder / "open.toml").write_bytes(b"\xff"),
    "a file that cannot be read": unreadable,
    "a link that leads nowhere": lambda folder: (folder / "extra.toml").symlink_to("nowhere"),
    "two of one name": lambda folder: (folder / "extra.toml").write_text(policy_text(name="open")),
    "the default is gone": lambda folder: (folder / "payments.toml").unlink(),
    "the directory is empty": empty,
    "the directory is gone": remove,
}


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_changes_nothing_and_is_said(
    service: Running, tmp_path: Path, breaking: Callable[[Path], object]
) -> None:
    """One typing mistake would take the service down, or leave it with fewer rules than were written."""
    folder = tmp_path / "policies"
    before, listing = live(service), service.call("GET", "/v1/policies")

    breaking(folder)
    until(lambda: live(service)["last_reload"] == "failed")

    assert service.call("GET", "/v1/policies").body == listing.body
    assert live(service) == {**before, "last_reload": "failed"}
    assert service.verify(enclave().attestation(), "policy=open").status == 200
    assert service.metric("reload_failed", item="policies") == 1
    [line] = service.lines("reload-failed")
    assert (line["item"], line["live"]) == ("policies", before["live"])
    assert line["problems"] >= 1
    assert line["files"]
    assert "secret-looking-text" not in service.log.getvalue().decode()


def test_once_it_is_repaired_the_failure_is_over(service: Running, tmp_path: Path) -> None:
    """The alarm would go on, and the operator not know whether to believe it."""
    path = tmp_path / "policies" / "open.toml"
    before = live(service)["live"]
    write(path, "broken")
    until(lambda: live(service)["last_reload"] == "failed")

    write(path, POLICIES["open"])
    until(lambda: live(service)["last_reload"] == "ok")

    assert live(service)["live"] == before
    assert service.metric("reload_failed", item="policies") == 0
    assert service.metric("reloads_total", item="policies", outcome="unchanged") == 1
    assert [line["live"] for line in service.lines("reload-unchanged")] == [before]


def test_a_failed_file_is_named_with_its_digest(service: Running, tmp_path: Path) -> None:
    """Nobody could tell which of many files it was, nor which version of it."""
    path = tmp_path / "policies" / "open.toml"
    write(path, "broken")
    until(lambda: service.lines("reload-failed"))

    assert service.lines("reload-failed")[0]["files"] == {str(path): hashlib.sha256(b"broken").hexdigest()}


def test_a_configmap_is_followed(tmp_path: Path) -> None:
    """Kubernetes exchanges one symbolic link; no file that the service knows is ever written."""
    folder = tmp_path / "policies"
    for version, texts in (("..1", POLICIES), ("..2", {**POLICIES, "payments": OTHER_BUILD})):
        (folder / version).mkdir(parents=True)
        for name, text in texts.items():
            (folder / version / f"{name}.toml").write_text(text)
    (folder / "..data").symlink_to("..1")
    for name in POLICIES:
        (folder / f"{name}.toml").symlink_to(f"..data/{name}.toml")
    with running(make_settings(tmp_path, policies={}, reload_interval=FAST)) as service:
        (folder / "..data_tmp").symlink_to("..2")
        (folder / "..data_tmp").rename(folder / "..data")
        until(lambda: live(service)["last_reload"] == "ok")
        result = service.verify(enclave().attestation(nonce=service.nonce()), "policy=payments")

    assert (result.status, result.json["build"]) == (200, "v2")


def test_what_editors_leave_beside_a_file_is_passed_over(service: Running, tmp_path: Path) -> None:
    """Opening a policy in an editor would raise an alarm, and keep a service from starting."""
    folder = tmp_path / "policies"
    (folder / ".#open.toml").symlink_to("someone@host.1234")
    (folder / ".open.toml.swp").write_bytes(b"\x00")
    (folder / "._open.toml").write_bytes(b"\x00")
    write(folder / "new.toml", policy_text())
    until(lambda: live(service)["last_reload"] != "none")

    assert live(service)["last_reload"] == "ok"
    assert set(read_policies(folder)) == {*POLICIES, "new"}


def test_a_file_that_is_being_written_counts_only_when_it_has_settled(service: Running, tmp_path: Path) -> None:
    """Half a policy may be a valid one: here, the one before its deny list is written."""
    path, seen = tmp_path / "policies" / "payments.toml", set()
    builds = [
        f'[[build]]\nname = "b{n}"\npcrs = {{ 0 = "{n:096x}", 1 = "{n:096x}", 2 = "{n:096x}" }}\n' for n in range(1, 31)
    ]
    with path.open("w") as stream:
        for build in builds:
            stream.write(build)
            stream.flush()
            seen.add(len(service.service.policies["payments"].builds))
            time.sleep(0.02)
    until(lambda: len(service.service.policies["payments"].builds) == len(builds))

    assert seen == {1}
    assert service.lines("reload-failed") == []
    assert len(service.lines("reloaded")) == 1


def test_a_policy_that_is_new_can_be_used_and_is_counted_and_one_that_is_gone_cannot(
    service: Running, tmp_path: Path
) -> None:
    """A counter that was bound at the start would turn the first verdict under a new name into an error."""
    folder = tmp_path / "policies"
    write(folder / "new.toml", POLICIES["open"])
    (folder / "lab.toml").unlink()
    until(lambda: "new" in service.service.policies and "lab" not in service.service.policies)

    assert service.verify(enclave().attestation(), "policy=new").status == 200
    assert service.verify(enclave().attestation(), "policy=lab").problem == "unknown-policy"
    assert service.metric("appraisals_total", verdict="affirmed", policy="new") == 1
    assert service.metric("appraisals_total", verdict="rejected", policy="new") == 0
    listed = [each["name"] for each in service.call("GET", "/v1/policies").json["policies"]]
    assert listed == service.call("GET", "/.well-known/nitro-verifier").json["policies"]
    assert listed == sorted({*POLICIES, "new"} - {"lab"})


def test_names_of_policies_cannot_make_series_without_end(service: Running, tmp_path: Path) -> None:
    """Policies that are named after commits would fill the metrics store over the years."""
    policy, metrics = service.service.policies["open"], service.service.metrics
    names = [f"commit-{n}" for n in range(1000, 6000)]
    many = PolicySet(by_name={name: replace(policy, name=name) for name in names}, default=None)
    service.in_loop(lambda: service.service.take_policies(many))

    assert service.verify(enclave().attestation(), "policy=commit-5999").status == 200
    assert service.metric("appraisals_total", verdict="affirmed", policy="other") == 1
    [family] = [each for each in metrics.registry.collect() if each.name == "nitro_verifier_appraisals"]
    assert len({sample.labels["policy"] for sample in family.samples}) == len(POLICIES) + 4096 + 1


@pytest.mark.parametrize("target", ["/v1/policies", "/v1/policies/open"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '"x" ,\tW/{}', "*"])
def test_a_client_that_has_the_policies_is_not_sent_them_again(service: Running, target: str, form: str) -> None:
    """Whoever watches for changes would fetch everything each time."""
    full = service.call("GET", target)
    again = service.call("GET", target, If_None_Match=form.format(full.headers["ETag"]))

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", full.headers["ETag"])
    assert again.headers["Cache-Control"] == full.headers["Cache-Control"] == "no-cache"
    assert again.headers["Vary"] == full.headers["Vary"] == "Accept"


@pytest.mark.parametrize("given", ['"x"', "x", "", '"' + "x" * 2000 + '", *'])
def test_a_client_that_has_something_else_is_sent_them(service: Running, given: str) -> None:
    """It would go on with what it has."""
    assert service.call("GET", "/v1/policies/open", If_None_Match=given).status == 200


def test_each_form_of_a_policy_has_a_tag_of_its_own_and_a_change_changes_it(service: Running, tmp_path: Path) -> None:
    """A cache would give JSON to those who have TOML, or yesterday's policies."""
    tags = [
        service.call("GET", "/v1/policies/open", Accept=accept).headers["ETag"]
        for accept in ("*/*", "application/toml")
    ]
    listing = service.call("GET", "/v1/policies").headers["ETag"]
    write(tmp_path / "policies" / "open.toml", POLICIES["open"].replace('"v1"', '"v3"'))
    until(lambda: live(service)["last_reload"] == "ok")

    assert len(set(tags)) == 2
    assert service.call("GET", "/v1/policies/open", If_None_Match=tags[0]).status == 200
    assert service.call("GET", "/v1/policies", If_None_Match=listing).status == 200


def write_keys(folder: Path, text: str = "", **keys: int) -> Path:
    """A configuration file whose nonce keys are these."""
    for number in range(1, 7):
        (folder / f"{number}.key").write_text(f"{number:064x}")
        (folder / f"{number}.key").chmod(0o600)
    lines = [f'{name} = {{ id = {number}, file = "{number}.key" }}\n' for name, number in keys.items()]
    file = folder / "service.toml"
    write(file, text + "".join(["[nonce_keys]\n", *lines] if lines else []))
    return file


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Running]:
    """A service whose nonce keys are named in a file."""
    settings = make_settings(tmp_path, config=write_keys(tmp_path, current=1, next=2), reload_interval=FAST)
    with running(settings) as started:
        yield started


def test_nonces_live_through_a_rotation_until_their_key_is_gone(keyed: Running, tmp_path: Path) -> None:
    """Every enclave that has fetched its nonce already would be refused; or a stolen key be good for ever."""
    nonces = [keyed.nonce() for _ in range(2)]
    write_keys(tmp_path, current=2, previous=1, next=3)
    until(lambda: live(keyed, "nonce-keys")["live"] == "current=2 next=3 previous=1")
    nonces.append(keyed.nonce())
    old = keyed.verify(enclave().attestation(nonce=nonces[0]))
    write_keys(tmp_path, current=3, previous=2, next=4)
    until(lambda: live(keyed, "nonce-keys")["live"] == "current=3 next=4 previous=2")

    assert old.status == 200
    assert keyed.verify(enclave().attestation(nonce=nonces[1])).reasons == ["freshness.nonce-unknown"]
    assert keyed.verify(enclave().attestation(nonce=nonces[2])).status == 200
    assert [(line["was"], line["now"]) for line in keyed.lines("reloaded")] == [
        ("current=1 next=2", "current=2 next=3 previous=1"),
        ("current=2 next=3 previous=1", "current=3 next=4 previous=2"),
    ]
    assert keyed.metric("reloads_total", item="nonce-keys", outcome="loaded") == 2


BROKEN_KEYS: dict[str, Callable[[Path], object]] = {
    "no keys": write_keys,
    "not TOML": lambda folder: write_keys(folder, "x"),
    "another mistake": lambda folder: write_keys(folder, "port = 99999\n", current=2),
    "a key that is gone": lambda folder: (folder / "1.key").unlink(),
    "a short key": lambda folder: (folder / "1.key").write_text("00"),
    "one id twice": lambda folder: write_keys(folder, current=2, next=2),
}


@pytest.mark.parametrize("breaking", BROKEN_KEYS.values(), ids=BROKEN_KEYS)
def test_broken_keys_change_nothing_and_are_said(
    keyed: Running, tmp_path: Path, breaking: Callable[[Path], object]
) -> None:
    """Every nonce that is out would be refused."""
    nonce = keyed.nonce()
    breaking(tmp_path)
    until(lambda: live(keyed, "nonce-keys")["last_reload"] == "failed")

    assert live(keyed, "nonce-keys")["live"] == "current=1 next=2"
    assert keyed.verify(enclave().attestation(nonce=nonce)).status == 200
    assert keyed.lines("reload-failed")[0]["item"] == "nonce-keys"


def test_another_secret_under_the_same_id_is_taken_and_warned_of(keyed: Running, tmp_path: Path) -> None:
    """Replacing a stolen key in place must work; that it refuses what is out should surprise nobody."""
    nonce = keyed.nonce()
    write(tmp_path / "1.key", "ab" * 32)
    (tmp_path / "1.key").chmod(0o600)
    until(lambda: keyed.lines("reloaded"))

    assert keyed.verify(enclave().attestation(nonce=nonce)).reasons == ["freshness.nonce-unknown"]
    assert any("same id" in line["detail"] for line in keyed.lines("configuration"))


def test_an_option_that_needs_a_restart_is_said(keyed: Running, tmp_path: Path) -> None:
    """An operator would believe that a new limit is in force."""
    write_keys(tmp_path, "max_in_flight = 7\n", current=2, previous=1)
    until(lambda: keyed.lines("reloaded"))

    assert [line["detail"] for line in keyed.lines("configuration")] == [
        "max_in_flight: changed in the configuration; restart to apply"
    ]


def test_keys_can_be_added_to_a_service_that_began_without(tmp_path: Path) -> None:
    """The way from one replica to several would be a restart."""
    settings = make_settings(tmp_path, config=write_keys(tmp_path), reload_interval=FAST)
    with running(settings) as service:
        shared = service.call("GET", "/.well-known/nitro-verifier").json["nonces"]["shared_keys"]
        write_keys(tmp_path, "# nothing that matters\n")
        write_keys(tmp_path, current=1)
        until(lambda: live(service, "nonce-keys")["live"] == "current=1")
        then = service.call("GET", "/.well-known/nitro-verifier").json["nonces"]["shared_keys"]

    assert (shared, then) == (False, True)


def test_nobody_looks_when_told_not_to_and_everybody_when_asked(tmp_path: Path) -> None:
    """Some deployments want nothing to change by itself."""
    with running(make_settings(tmp_path, reload_interval="0s")) as service:
        write(tmp_path / "policies" / "open.toml", OTHER_BUILD)
        time.sleep(0.3)
        before = live(service)
        service.in_loop(service.ask_to_reload)
        until(lambda: live(service)["last_reload"] == "ok")
        service.in_loop(service.ask_to_reload)
        until(lambda: len(service.lines("reload-unchanged")) >= 3)

    assert before["last_reload"] == "none"
    assert live_builds(service) == ["v2"]


def live_builds(service: Running) -> list[str]:
    """The builds of the policy ``open``."""
    return [build.name for build in service.service.policies["open"].builds]


def test_asking_while_a_file_is_being_written_waits_for_it(tmp_path: Path) -> None:
    """SIGHUP after the upload began would load half of it, or nothing ever."""
    path, stop = tmp_path / "policies" / "open.toml", threading.Event()

    def scribble() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            write(path, f"# {count}\n{OTHER_BUILD}")

    with running(make_settings(tmp_path, reload_interval="0s")) as service:
        scribbler = threading.Thread(target=scribble)
        scribbler.start()
        service.in_loop(service.ask_to_reload)
        time.sleep(0.3)
        stop.set()
        scribbler.join()
        until(lambda: live_builds(service) == ["v2"])

    assert service.lines("reload-failed") == []


class Item:
    """Something to reload that counts how often it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.value = path.read_text()
        self.loads = 0
        self.meanwhile: Callable[[], object] = int

    def watch(self) -> Watch[str]:
        """Watch it."""

        def load(_: list[str]) -> str:
            self.loads += 1
            self.meanwhile()
            text = self.path.read_text()
            if text == "bad":
                raise ConfigurationError("bad")
            return text

        return Watch(
            Reloadable(
                name="item",
                files=lambda: [self.path],
                load=load,
                swap=lambda value: setattr(self, "value", value),
                live=lambda: self.value,
                label=str,
                difference=lambda old, new: {"was": old, "now": new},
            )
        )


@pytest.fixture
def item(tmp_path: Path) -> Item:
    """One file."""
    (tmp_path / "item").write_text("good")
    return Item(tmp_path / "item")


def test_what_changed_between_loading_and_watching_is_seen(item: Item) -> None:
    """A change during the start would be lost until the next."""
    watch = item.watch()
    item.path.write_text("new")

    assert watch.look() is None
    assert watch.look() == Loaded(value="new", warnings=())


def test_nothing_is_read_while_nothing_changes(item: Item) -> None:
    """A thousand policies would be parsed every two seconds."""
    watch = item.watch()
    outcomes = [watch.look() for _ in range(10)]

    assert outcomes == [None, Unchanged(), *[None] * 8]
    assert item.loads == 1


def test_what_changed_while_it_was_read_is_thrown_away(item: Item) -> None:
    """A set of files read half before and half after a change never existed."""
    watch = item.watch()
    item.path.write_text("new")
    item.meanwhile = lambda: item.path.write_text("newer")
    first = [watch.look(), watch.look()]
    item.meanwhile = int

    assert first == [None, None]
    assert [watch.look(), watch.look()] == [None, Loaded(value="newer", warnings=())]


def test_a_write_that_keeps_size_and_time_is_seen(item: Item) -> None:
    """Programs that copy files copy their times."""
    watch = item.watch()
    for _ in range(2):
        watch.look()
    before = item.path.stat()
    item.path.write_text("dooG")
    os.utime(item.path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert [watch.look(), watch.look()][1] == Loaded(value="dooG", warnings=())


def test_a_failure_is_tried_again_though_no_file_changed(item: Item) -> None:
    """A moment without free file descriptors would leave a new policy unused until somebody touched it."""
    watch = item.watch()
    item.path.write_text("bad")
    outcomes = [watch.look() for _ in range(2 + RETRY_EVERY)]

    digest = hashlib.sha256(b"bad").hexdigest()
    assert outcomes[1] == outcomes[-1] == Failed(problems=1, files={str(item.path): digest})
    assert outcomes[2:-1] == [None] * (RETRY_EVERY - 1)


def test_a_defect_in_loading_is_counted_and_ends_nothing(service: Running, tmp_path: Path) -> None:
    """Nobody would watch any more, and nobody would know."""
    working, service.service.self_test = service.service.self_test, None  # type: ignore[assignment]  # a defect
    write(tmp_path / "policies" / "open.toml", OTHER_BUILD)
    until(lambda: service.metric("bugs_total") >= 1)
    service.service.self_test = working
    until(lambda: live_builds(service) == ["v2"])

    assert service.lines("bug")[0]["item"] == "policies"


class Restless:
    """A watch on files that somebody does not stop writing."""

    def look(self, *, force: bool) -> None:
        """Find them changed again."""


def test_whoever_asks_is_told_when_files_do_not_settle(service: Running) -> None:
    """SIGHUP would have no effect, and nobody would say so."""
    watcher = Watcher(service.service, [])

    assert asyncio.run(watcher._insist(Restless())) == Failed(problems=1, files={})  # type: ignore[arg-type]  # all it needs


class Broken:
    """A self-test that fails."""

    def passes(self) -> bool:
        """Never."""
        return False


def test_a_process_that_cannot_verify_takes_no_new_policies(service: Running, tmp_path: Path) -> None:
    """What it then says of them would be worth nothing."""
    service.service.self_test = Broken()  # type: ignore[assignment]  # a fake
    write(tmp_path / "policies" / "open.toml", OTHER_BUILD)
    until(lambda: service.lines("reload-failed"))

    assert live_builds(service) == ["v1"]


def test_a_default_that_is_no_policy_makes_no_set() -> None:
    """Requests that name no policy would be errors of ours."""
    with pytest.raises(ConfigurationError, match="default_policy"):
        PolicySet(by_name={}, default="x")


def write_signing(folder: Path, **numbers: int) -> Path:
    """A configuration file whose signing keys are these, made when they are first named."""
    for number in numbers.values():
        path = folder / f"{number}.jwk"
        if not path.exists():
            private = generate_key().private
            assert private is not None
            path.write_text(json.dumps(private.as_dict(private=True)))
            path.chmod(0o600)
    file = folder / "service.toml"
    keys = "".join(f'{name} = "{number}.jwk"\n' for name, number in numbers.items())
    write(file, f'issuer = "{ISSUER}"\n' + (f"[signing_keys]\n{keys}" if keys else "ephemeral_signing_key = true\n"))
    return file


def token_of(service: Running) -> str:
    """A signed result."""
    return service.verify(enclave().attestation(), "policy=open", Accept="application/eat+jwt").body.decode()


def believed(service: Running, token: str) -> str:
    """Read a token with the keys that are published now; the code of a refusal, or the kid."""
    keys = read_jwks(service.call("GET", "/.well-known/jwks.json").body)
    try:
        found = read_token(token, keys, at=datetime.now(UTC), issuer=ISSUER, audience=None, nonce=None)
    except EarError as error:
        return error.code.value
    return found.key_id


def test_tokens_live_through_a_rotation_until_their_key_is_gone(tmp_path: Path) -> None:
    """Every token that is out would be refused, or a stolen key be believed for ever."""
    settings = make_settings(tmp_path, config=write_signing(tmp_path, current=1, next=2), reload_interval=FAST)
    with running(settings) as service:
        tokens, verdicts = [token_of(service)], [""]
        first = live(service, "signing-keys")["live"]
        for current in (2, 3):
            write_signing(tmp_path, current=current, next=current + 1, previous=current - 1)
            until(lambda current=current: len(service.lines("reloaded")) == current - 1)  # type: ignore[misc]  # mypy does not infer it
            tokens.append(token_of(service))
            verdicts = [believed(service, token) for token in tokens]
            assert len(set(verdicts[-2:])) == 2
            assert "token.key-unknown" not in verdicts[-2:]
        document = service.call("GET", "/.well-known/nitro-verifier").json

    assert verdicts[0] == "token.key-unknown"
    assert document["signing"]["kid"] == verdicts[2]
    assert first.startswith("current=")
    assert [line["item"] for line in service.lines("reloaded")] == ["signing-keys"] * 2


BROKEN_SIGNING: dict[str, Callable[[Path], object]] = {
    "no keys": lambda folder: write(folder / "service.toml", f'issuer = "{ISSUER}"\n'),
    "not TOML": lambda folder: write(folder / "service.toml", "x"),
    "a key that is gone": lambda folder: (folder / "1.jwk").unlink(),
    "half a key": lambda folder: (folder / "1.jwk").write_text('{"kty":'),
    "one key twice": lambda folder: write_signing(folder, current=2, next=2),
}


@pytest.mark.parametrize("breaking", BROKEN_SIGNING.values(), ids=BROKEN_SIGNING)
def test_broken_signing_keys_change_nothing_and_are_said(tmp_path: Path, breaking: Callable[[Path], object]) -> None:
    """Relying Parties would get tokens of a key that nobody published, or none."""
    settings = make_settings(tmp_path, config=write_signing(tmp_path, current=1, next=2), reload_interval=FAST)
    with running(settings) as service:
        before = live(service, "signing-keys")
        breaking(tmp_path)
        until(lambda: live(service, "signing-keys")["last_reload"] == "failed")
        after, token = live(service, "signing-keys"), token_of(service)

        assert after["live"] == before["live"]
        assert f"current={believed(service, token)} " in f"{after['live']} "


def test_a_signing_key_made_at_the_start_stays_until_there_is_a_better_one(tmp_path: Path) -> None:
    """Each look would make another, and every token be refused."""
    settings = make_settings(tmp_path, config=write_signing(tmp_path), reload_interval=FAST)
    with running(settings) as service:
        token = token_of(service)
        file = tmp_path / "service.toml"
        write(file, f"# nothing that matters\n{file.read_text()}")
        service.in_loop(service.ask_to_reload)
        until(lambda: len(service.lines("reload-unchanged")) == 3)
        kept = believed(service, token)
        write_signing(tmp_path, current=1)
        until(lambda: service.lines("reloaded"))

        assert live(service, "signing-keys")["live"] == f"current={believed(service, token_of(service))}"

    assert kept != "token.key-unknown"
