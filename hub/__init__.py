"""The hub: ingests over MQTT, records in SQL, judges by rules, publishes to rooms in Redis, delivers over WebSocket and SSE."""
