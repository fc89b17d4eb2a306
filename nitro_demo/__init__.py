"""The whole loop on one machine, for people: a make-believe enclave, the real service, and what they say to each other.

``verifier`` and ``issuer`` are different parties and never import each other. A demonstration plays both, so it has a
package of its own, imports both, and is imported by neither. Nothing here protects anything.
"""
