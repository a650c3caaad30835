"""Delivery to clients over WebSocket and SSE: one core, each message's bytes made once for all who get it."""
