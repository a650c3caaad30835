"""docker-compose.yml without Docker: which host file each container path is, so that the same configuration runs natively."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """The parsed file, and where its secrets lie."""

    content: dict[str, Any]
    secrets: Path

    def service(self, name: str) -> dict[str, Any]:
        return self.content["services"][name]

    def mounts(self, name: str) -> dict[str, Path]:
        """Container path to host path, for bind mounts and secrets."""
        binds = [volume.split(":") for volume in self.service(name).get("volumes", []) if volume.startswith("./")]
        mounted = {target: ROOT / source for source, target, *_ in binds}
        for secret in self.service(name).get("secrets", []):
            mounted[f"/run/secrets/{secret}"] = self.secrets / Path(self.content["secrets"][secret]["file"]).name
        return mounted

    def native(self, name: str, target: str, folder: Path, **replaced: str) -> Path:
        """The file that the container sees as `target`, with container paths and `replaced` words made the host's."""
        mounts = self.mounts(name)
        for path, source in mounts.items():
            copy = folder / path.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text(encoding="utf-8")
            copy.write_text(_moved(text, folder, replaced), encoding="utf-8")
            copy.chmod(0o600)
        return folder / target.lstrip("/")


def load(secrets: Path) -> Compose:
    return Compose(content=yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")), secrets=secrets)


def _moved(text: str, folder: Path, replaced: dict[str, str]) -> str:
    text = re.sub(r"(?<![\w.])/(run/secrets|mosquitto|usr/local/etc|data|etc/bedside)\b", rf"{folder}/\1", text)
    for word, other in replaced.items():
        text = text.replace(word, other)
    return text
