"""From MQTT to the record: one fenced owner a hospital commits what gateways and REST bring, acknowledges, and publishes."""
