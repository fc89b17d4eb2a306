"""The HTTP service: translates between the wire and the library, and decides nothing."""
