"""Bytes to shapes: what the evidence says, believing none of it."""
