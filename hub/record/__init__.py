"""The record: everything that must never be lost, in SQL (SQLite on one machine, PostgreSQL in a hospital).

Readings, alert state, committed ranges and the publication sequence change together in one fenced transaction of the hospital's
owner (`ownership`). What clients are sent is derived from the rows (`publications`), so that it can be sent again.
"""
