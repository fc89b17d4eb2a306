"""``nitro-verifier policy``: read policies as the verifier will, before it does."""

from __future__ import annotations

import click

from verifier.cli.exits import exit_codes
from verifier.cli.lazy_group import LazyGroup

_COMMANDS = (
    ("diff", "verifier.cli.policy_diff_command", "Say what changed between two builds."),
    ("kms", "verifier.cli.policy_kms_command", "Say the same in a KMS key policy."),
    ("lint", "verifier.cli.policy_lint_command", "Look policies over."),
    ("new", "verifier.cli.policy_new_command", "Write a policy for a build."),
    ("show", "verifier.cli.policy_show_command", "Print a policy's canonical text."),
    ("test", "verifier.cli.policy_test_command", "Test policies on documents."),
)


@click.group(
    cls=LazyGroup,
    short_help="Check policies, and show what they mean.",
    epilog=exit_codes("clean or shown", "lints found"),
)
def policy() -> None:
    """Check Appraisal Policies, and show what they mean."""


for name, module, short_help in _COMMANDS:
    policy.add_later(name, module, short_help)
