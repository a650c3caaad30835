"""A hospital's identity provider: signs tokens, and publishes its keys over HTTPS under an authority of its own. It rotates, fails and lies on demand."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://login.hospital.example/realms/hospital"


class SigningKey:
    """One key with its name."""

    def __init__(self, name: str | None, algorithm: str = "RS256", *, bits: int = 2048) -> None:
        self.name = name
        self.algorithm = algorithm
        self.private: Any = {
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=bits),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    @property
    def jwk(self) -> dict[str, Any]:
        return self._jwk(self.private.public_key())

    @property
    def private_jwk(self) -> dict[str, Any]:
        return self._jwk(self.private)

    def _jwk(self, key: Any) -> dict[str, Any]:
        kinds = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
        jwk: dict[str, Any] = kinds[self.algorithm].to_jwk(key, as_dict=True)
        jwk.pop("key_ops", None)
        return jwk | {"use": "sig", "alg": self.algorithm} | ({} if self.name is None else {"kid": self.name})

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token as a hub with the usual settings takes it, save for `claims`."""
        now = int(datetime.now(UTC).timestamp())
        usual = {
            "sub": "nurse1",
            "iss": ISSUER,
            "aud": "bedside",
            "iat": now,
            "exp": now + 600,
            "jti": f"j{now}",
            "roles": ["viewer"],
        }
        names = {"typ": "JWT"} | ({} if self.name is None else {"kid": self.name})
        return jwt.encode(usual | claims, self.private, algorithm=self.algorithm, headers=names | (header or {}))


class IdentityProvider:
    """`keys` are published; `document` replaces what is published, `status` the answer's."""

    def __init__(self, folder: Path) -> None:
        self.keys: list[SigningKey] = []
        self.document: bytes | None = None
        self.status = 200
        self.asked = 0
        self.ca_file = folder / "authority.pem"
        self._certificate = folder / "provider.pem"
        _certify(self.ca_file, self._certificate)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}/certs"

    @contextlib.contextmanager
    def running(self) -> Iterator["IdentityProvider"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def published(self) -> bytes:
        return (
            self.document
            if self.document is not None
            else json.dumps({"keys": [key.jwk for key in self.keys]}).encode()
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = provider.published()
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                if provider.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _certify(ca_file: Path, certificate_file: Path) -> None:
    """An authority, and the provider's key and certificate under it."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Hospital test authority")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Identity provider")])
    root = _builder(issuer, issuer, authority).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = _builder(subject, issuer, key).add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate_file.write_bytes(private + leaf.sign(authority, hashes.SHA256()).public_bytes(pem))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )
