"""A Relying Party that admits requests by signed Attestation Result: as ASGI middleware, and as aiohttp middleware."""
