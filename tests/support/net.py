"""Ports for tests."""

from bedside.services.process import free_port

__all__ = ["free_port"]
