"""Redis, Mosquitto, PostgreSQL and D-Bus, started natively on loopback from the files in `deploy/`; for `bedside up` and the tests."""
