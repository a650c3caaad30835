"""nginx and Caddy, natively, from the files in deploy/load-balancer: with this machine's addresses, ports and paths in the places of a hospital's."""

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from bedside.services.locate import Program, locate
from bedside.services.process import Service, listens, write_private
from tests.deploy.compose import ROOT

SNIPPETS = ROOT / "deploy" / "load-balancer"
Certificate = tuple[Path, Path]


def nginx(folder: Path, port: int, nodes: Sequence[int], certificate: Certificate) -> Service:
    folder.mkdir()
    snippet = _local(
        "nginx.conf",
        certificate,
        nodes,
        {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl", "/var/log/nginx/bedside.log": str(folder / "access.log")},
    )
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        f"user {pwd.getpwuid(os.geteuid()).pw_name};\ndaemon off;\nmaster_process off;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{ worker_connections 8192; }}\nhttp {{\n{places}{snippet}\n}}\n"
    )
    file = write_private(folder / "nginx.conf", text)
    return _service("nginx", ["-c", str(file), "-p", str(folder), "-e", str(folder / "error.log")], folder, port)


def caddy(folder: Path, port: int, nodes: Sequence[int], certificate: Certificate) -> Service:
    folder.mkdir()
    snippet = _local("Caddyfile", certificate, nodes, {"hub.hospital.example {": f"https://127.0.0.1:{port} {{"})
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    file = write_private(folder / "Caddyfile", f"{options}{snippet}")
    return _service("caddy", ["run", "--adapter", "caddyfile", "--config", str(file)], folder, port)


def _local(name: str, certificate: Certificate, nodes: Sequence[int], changes: dict[str, str]) -> str:
    text = (SNIPPETS / name).read_text(encoding="utf-8")
    hubs = {f"hub-{number}:5054": f"127.0.0.1:{port}" for number, port in enumerate(nodes, 1)}
    files = {"/etc/bedside/tls/hub.pem": str(certificate[0]), "/etc/bedside/tls/hub-key.pem": str(certificate[1])}
    for word, other in (hubs | files | changes).items():
        assert word in text, f"{name} has no {word!r} any more"
        text = text.replace(word, other)
    return text


def _service(name: str, arguments: list[str], folder: Path, port: int) -> Service:
    program = locate(name)
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return Service(
        name=name,
        program=Program(path=program.path, environment=program.environment | homes),
        arguments=arguments,
        log=folder / "log",
        answers=lambda: listens(port),
    )
