"""Recordings of real patients that the simulated ward replays; `README.md` says whose they are."""
