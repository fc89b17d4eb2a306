"""``python -m verifier.cli``: the same command, without looking for its script on the path."""

from verifier.cli import main

main()
