"""The gateway's agent: supervises devices, keeps readings in a durable outbox and publishes them over MQTT."""
