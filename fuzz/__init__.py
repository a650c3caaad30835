"""Fuzzing of every decoder and every conversation, by atheris: `./dev fuzz`."""
