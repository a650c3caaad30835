"""What a benchmark may end with."""


class BenchFailed(Exception):
    """A round did not do what it must, or in time: its figures are worth nothing. The message says what."""
