"""Conformance vectors: claims about the world that a verifier of Nitro documents must agree with.

Everything here is data that another implementation can use; the Python beside it only writes the data. It knows the
format from the specifications and from `issuer`, and imports nothing from `verifier`.
"""
