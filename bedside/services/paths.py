"""Where the configuration files are that deployments and the native services share."""

from pathlib import Path


def deployed(name: str) -> Path:
    """A file of the checkout's `deploy/`."""
    return Path(__file__).parents[2] / "deploy" / name
