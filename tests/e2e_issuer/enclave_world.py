"""Everything around the example application, each part as a process or server of its own, over loopback.

The verifier is `nitro-verifier serve`. KMS is a TLS server that checks documents with the verifier's library and
encrypts as KMS does. The parent's two forwarders are `nitro-issuer forward`, with Unix sockets in the vsocks' place;
docs/vsock.md says what that does not prove.
"""

import os
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from issuer.nsm import ThrowawayPki, build_pcrs
from nitro_demo.service import Service, free_port
from tests.unit.issuer.kms.fake_kms import ARN, FakeKms
from verifier import Verifier, load_anchor, read_policy

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "enclave-app"
BUILD = "enclave-app v1"
SEED = bytes(range(32))
PKI = ThrowawayPki(seed=SEED)


def policy_text(nonce: str) -> str:
    pcrs = ", ".join(f'{index} = "{value.hex()}"' for index, value in sorted(build_pcrs(BUILD).items()))
    return f'name = "enclave-app"\nnonce = "{nonce}"\n[[build]]\nname = "v1"\npcrs = {{ {pcrs} }}\n'


@dataclass(slots=True)
class TlsKms:
    """KMS behind TLS, with a certificate of its own making for ``localhost``."""

    kms: FakeKms
    port: int
    certificate: bytes
    authorizations: list[str]


@contextmanager
def serving_kms(folder: Path, kms: FakeKms) -> Iterator[TlsKms]:
    """Serve the KMS of a test until the block ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key)
    (folder / "kms.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
    authorizations: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one operation."""
            authorizations.append(self.headers["Authorization"])
            kms.at = datetime.now(UTC)  # it is now whenever it is asked
            operation = self.headers["X-Amz-Target"].removeprefix("TrentService.")
            status, body = kms.reply(operation, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "kms.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # The handshake is each connection's own business, in its own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that refuse us are expected
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            port = int(server.server_address[1])
            yield TlsKms(kms=kms, port=port, certificate=certificate, authorizations=authorizations)
        finally:
            server.shutdown()


def _certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a KMS of the tests")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@dataclass(slots=True)
class World:
    """What surrounds the enclave."""

    folder: Path
    service: Service
    tls: TlsKms

    def settings(self) -> dict[str, str]:
        """The image's environment."""
        return {
            "ENCLAVE_POLICY": "enclave-app",
            "ENCLAVE_KMS_KEY_ARN": ARN,
            "ENCLAVE_VERIFIER": f"unix:{self.folder}/verifier",
            "ENCLAVE_KMS_PROXY": f"unix:{self.folder}/kms",
            "ENCLAVE_CHALLENGES": f"unix:{self.folder}/challenges",
            "ENCLAVE_REQUESTS": f"unix:{self.folder}/requests",
            "ENCLAVE_KMS_ENDPOINT": f"https://localhost:{free_port()}",
            "ENCLAVE_KMS_CA": f"{self.folder}/kms-ca.pem",
            "ENCLAVE_HOSTS": f"{self.folder}/hosts",
        }


@contextmanager
def world() -> Iterator[World]:
    """Start everything but the enclave, in a folder whose path is short enough for Unix sockets."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ea")))
        (folder / "policies").mkdir()
        (folder / "policies" / "enclave-app.toml").write_text(policy_text("required"))
        (folder / "root.pem").write_text(PKI.root_pem)
        (folder / "throwaway.seed").write_bytes(SEED)
        anchor = load_anchor(PKI.root_der, name="throwaway", sha256=PKI.root_sha256.hex())
        policy = read_policy(policy_text("none"))
        kms = FakeKms(verifier=Verifier(anchors=(anchor,)), policy=policy, at=datetime.now(UTC))
        tls = stack.enter_context(serving_kms(folder, kms))
        (folder / "kms-ca.pem").write_bytes(tls.certificate)
        pin = f"{folder / 'root.pem'}#sha256={PKI.root_sha256.hex()}"
        service = stack.enter_context(
            Service(["--policies", str(folder / "policies"), "--anchor", pin], folder / "service.log")
        )
        for name, port in (("verifier", service.port), ("kms", tls.port)):
            stack.enter_context(forwarding(folder, name, port))
        yield World(folder=folder, service=service, tls=tls)


@contextmanager
def forwarding(folder: Path, name: str, port: int) -> Iterator[None]:
    """Run what the parent runs: a forwarder with its allow-list."""
    allowed = folder / f"{name}.yaml"
    allowed.write_text(f"allowlist:\n- {{address: 127.0.0.1, port: {port}}}\n")
    route = [f"unix:{folder}/{name}", f"tcp:127.0.0.1:{port}", "--allow-list", str(allowed)]
    command = [sys.executable, "-m", "issuer.cli", "forward", *route]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline().startswith("forwarding ")
            yield
        finally:
            process.terminate()


@contextmanager
def enclave(world: World, *, build: str = BUILD, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run the application as laptop.py does; what it says goes to the file ``console``."""
    command = [sys.executable, str(EXAMPLE / "laptop.py"), "--folder", str(world.folder), "--build", build]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **world.settings(), **settings}
    with (world.folder / "console").open("w") as console:
        process = subprocess.Popen(command, env=environment, stdout=console, stderr=console, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def console(world: World) -> str:
    """What the enclave said."""
    return (world.folder / "console").read_text()
