"""How many examples a test looks for by itself."""

from hypothesis import settings


def at_most(most: int) -> int:
    """`most`, or fewer where the profile that was asked for has fewer."""
    return min(most, settings.default.max_examples)
