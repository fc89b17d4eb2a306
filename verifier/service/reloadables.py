"""What a service can exchange while it runs: its policies, its nonce keys, and the keys that sign results.

Everything else, trust anchors included, is settled when a process starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from verifier.reasons import ConfigurationError
from verifier.service.config import read_keyring
from verifier.service.keyfiles import label_keys, name_keys
from verifier.service.options import Options, merge_options
from verifier.service.policyfiles import PolicySet, policy_files, read_policies, warn_of
from verifier.service.reload import Reloadable, Watch
from verifier.service.reload_status import NONCE_KEYS, POLICIES, SIGNING_KEYS
from verifier.service.signing import Signer, label_signer, load_signing_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.nonces import Keyring
    from verifier.service.options import NonceKeysOption
    from verifier.service.settings import Source
    from verifier.service.state import Service

NONCE_KEYS_GONE = "nonce_keys: not in the configuration any more; a key made now would refuse every nonce there is"


def watches(service: Service) -> list[Watch[PolicySet] | Watch[Keyring] | Watch[Signer]]:
    """Give a watch for everything that ``service`` can exchange."""
    found: list[Watch[PolicySet] | Watch[Keyring] | Watch[Signer]] = [
        Watch(_policies(service)),
        Watch(_nonce_keys(service)),
    ]
    if service.signer is not None:
        found.append(Watch(_signing_keys(service, service.signer)))
    return found


def _policies(service: Service) -> Reloadable[PolicySet]:
    folder = service.settings.policy_folder

    def load(warnings: list[str]) -> PolicySet:
        policies = PolicySet(by_name=read_policies(folder), default=service.settings.default_policy)
        if not service.self_test.passes():
            msg = "self-test: this process does not tell a good document from a bad one any more"
            raise ConfigurationError(msg)
        warnings.extend(warn_of(policies.by_name))
        return policies

    return Reloadable(
        name=POLICIES,
        files=lambda: policy_files(folder),
        load=load,
        swap=service.take_policies,
        live=lambda: service.policy_set,
        label=lambda policies: policies.label,
        difference=_policy_difference,
    )


def _nonce_keys(service: Service) -> Reloadable[Keyring]:
    source = service.settings.source

    def files() -> Iterator[Path]:
        if source.file is not None:
            yield source.file
        yield from _key_files(_read_options(source)[0].nonce_keys)

    def load(warnings: list[str]) -> Keyring:
        options, problems = _read_options(source)
        if problems:
            raise ConfigurationError(*problems)
        live = service.nonces.keyring
        if options.nonce_keys is None and not live.ephemeral:
            raise ConfigurationError(NONCE_KEYS_GONE)
        keyring = live if options.nonce_keys is None else read_keyring(options.nonce_keys, warnings)
        warnings.extend(f"{name}: changed in the configuration; restart to apply" for name in _changed_options(source))
        warnings.extend(_exchanged(live, keyring))
        return keyring

    return Reloadable(
        name=NONCE_KEYS,
        files=files,
        load=load,
        swap=service.take_keyring,
        live=lambda: service.nonces.keyring,
        label=label_keys,
        difference=lambda old, new: {"was": label_keys(old), "now": label_keys(new)},
    )


def _signing_keys(service: Service, first: Signer) -> Reloadable[Signer]:
    source = service.settings.source

    def files() -> Iterator[Path]:
        if source.file is not None:
            yield source.file
        option = _read_options(source)[0].signing_keys
        if option is not None:
            yield from (Path(file) for file in (option.current, option.next, option.previous) if file is not None)

    def load(warnings: list[str]) -> Signer:
        options, problems = _read_options(source)
        live = service.signer or first
        if options.signing_keys is None and not live.keys.ephemeral:
            problems.append("signing_keys: not in the configuration any more; restart to stop signing")
        if problems:
            raise ConfigurationError(*problems)
        if options.signing_keys is None:
            return live
        fresh = Signer(issuer=live.issuer, keys=load_signing_keys(options.signing_keys, warnings))
        return live if label_signer(fresh) == label_signer(live) else fresh

    return Reloadable(
        name=SIGNING_KEYS,
        files=files,
        load=load,
        swap=service.take_signer,
        live=lambda: service.signer or first,
        label=label_signer,
        difference=lambda old, new: {"was": label_signer(old), "now": label_signer(new)},
    )


def _read_options(source: Source) -> tuple[Options, list[str]]:
    """Read the options again from where they came from, with a sentence for each mistake."""
    return merge_options(source.file, source.environ, source.overrides)


def _changed_options(source: Source) -> list[str]:
    """Name the options that are not what they were when the service started, keys aside."""
    now, _ = _read_options(source)
    names = [each.name for each in msgspec.structs.fields(Options) if each.name not in {"nonce_keys", "signing_keys"}]
    return [name for name in names if getattr(now, name) != getattr(source.options, name)]


def _policy_difference(old: PolicySet, new: PolicySet) -> dict[str, object]:
    changed = {
        name: policy.sha256
        for name, policy in new.by_name.items()
        if name not in old.by_name or old.by_name[name].sha256 != policy.sha256
    }
    removed = [name for name in old.by_name if name not in new.by_name]
    return {"was": old.label, "now": new.label, "changed": changed, "removed": removed}


def _exchanged(old: Keyring, new: Keyring) -> Iterator[str]:
    """Say which ids stand for another secret than before: the nonces that the old one signed are refused."""
    for _, key in name_keys(new):
        before = None if old.ephemeral else old.find(key.id)
        if before is not None and before != key:
            yield f"nonce key {key.id}: another secret under the same id; give a new key a new id"


def _key_files(option: NonceKeysOption | None) -> Iterator[Path]:
    if option is not None:
        for each in (option.current, option.next, option.previous):
            if each is not None:
                yield Path(each.file)
