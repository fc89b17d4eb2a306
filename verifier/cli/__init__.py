"""The command line: translates between people and the library, and decides nothing."""
