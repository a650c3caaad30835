"""The language both ends speak: readings, units, codes, identifiers, the MQTT envelope and topics, events and rooms.

Pure: no I/O, no clock, no logging. Imports the standard library and msgspec only.
"""
