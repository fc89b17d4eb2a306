"""The Attester's side, inside the enclave: what produces Evidence.

Nothing here imports `verifier`: the two parties share the wire format and `vectors/`, and two independent
readings of the format are a check on both (RFC 9334 names the roles).
"""
