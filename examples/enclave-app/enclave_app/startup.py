"""From boot to serving, in the order in which each step relies on the ones before."""

import asyncio
import logging
from typing import Final

from enclave_app.identity import Identity
from enclave_app.network import bring_loopback_up, lead_to_loopback
from enclave_app.service import Service
from enclave_app.settings import Settings, SettingsError
from issuer import Attester
from issuer.attester import AttesterError
from issuer.challenges import MAX_ANSWER_BYTES, ChallengeResponder
from issuer.nsm import AsyncNsm, Nsm, NsmError
from issuer.readiness import NotReadyError, Place, check_readiness
from issuer.vsock import Forwarder, MessageLimits, MessageServer, VsockError, listen, pin_destination

REQUESTS: Final = MessageLimits(message_bytes=64 * 1024, handle_s=45)
"""KMS may take that long, with one try more; a ciphertext has 6 KiB at most."""

PROBLEMS: Final = (SettingsError, NsmError, NotReadyError, AttesterError, VsockError, OSError)
"""What can keep it from serving; each says why in one line. Anything else is a bug."""

_log = logging.getLogger(__name__)


def start(settings: Settings, nsm: Nsm, *, place: Place = Place.ENCLAVE) -> None:
    """Serve until cancelled.

    Raises:
        NotReadyError: this is no place to make keys in.
        AttesterError: there is no verdict, or it is a rejection; nothing was served.
        VsockError: an address cannot be listened on.
    """
    check_readiness(place=place, nsm=nsm).require()
    asyncio.run(serve(settings, nsm))


async def serve(settings: Settings, nsm: Nsm) -> None:
    """Attest, then serve until cancelled; raises what `start` does."""
    bring_loopback_up()
    lead_to_loopback(settings.kms_host, settings.hosts)
    # Fail early and say why. It is no proof to anybody else: they send challenges of their own (docs/attester.md).
    affirmed = (await Attester(nsm, settings.verifier, policy=settings.policy).attest_async()).require()
    _log.info("affirmed")
    to_kms = await pin_destination(settings.kms_proxy)
    async with AsyncNsm(nsm) as asked:
        responder = ChallengeResponder(asked, public_key=affirmed.public_key)
        limits = MessageLimits(message_bytes=MAX_ANSWER_BYTES)
        service = Service(settings, nsm, Identity(affirmed.private_key))
        servers = (
            Forwarder(listen(settings.kms_entrance), to_kms),
            MessageServer(listen(settings.challenges), responder, limits=limits),
            MessageServer(listen(settings.requests), service, limits=REQUESTS),
        )
        _log.info("serving challenges on %s and requests on %s", settings.challenges, settings.requests)
        await asyncio.gather(*(server.run() for server in servers))
