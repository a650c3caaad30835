"""The live terminal view: what the hub tells becomes a ward's state, the state a picture, the picture a screen.

`hub` alone does I/O with the hub; `ward` and `screen` are pure, with the clock by argument.
"""
