"""Signed Attestation Results: EAR (draft-ietf-rats-ear-04) as JWT and as CWT, how to sign them and how to read them.

``signing`` turns a result into a token; ``reading`` turns a token into an ``EarResult`` with nothing but a JWKS. Both
are pure: keys, times and tokens arrive as arguments.
"""
