"""Rooms in Redis: the stream that clients see. Never the record: all of it can be lost and is then told as a gap."""
