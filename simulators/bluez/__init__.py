"""A simulated `org.bluez` on a message bus of its own: bleak's BlueZ backend runs against it as it is.

`tree` holds the D-Bus objects, `stack` answers their methods and carries them out on a bumble central.
"""
