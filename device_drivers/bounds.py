"""Numbers that go into so many bits of a frame: what does not fit is refused before it spoils the bits beside it."""


def within(name: str, number: int, most: int) -> int:
    """`number`. Raises ValueError, which names it, where it is not from 0 to `most`."""
    if not 0 <= number <= most:
        raise ValueError(f"{name}: {number} is not from 0 to {most}")
    return number


def or_marker(name: str, number: int | None, marker: int) -> int:
    """`number`, or the marker that means "none", which is the largest that the bits hold. Raises ValueError."""
    return marker if number is None else within(name, number, marker - 1)
