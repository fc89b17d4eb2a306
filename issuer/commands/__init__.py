"""The commands of ``nitro-issuer``, one module each."""
