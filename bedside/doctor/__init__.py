"""`bedside doctor`: looks at every component from outside, as a careful administrator would, and says what to do.

`subject` says what is looked at, `hub`, `gateway` and `machine` which checks that takes, `running` does them at once, `report` tells.
A check never changes anything, and what it says holds no password, no token and nothing of patients.
"""
