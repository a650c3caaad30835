"""The embedded set-up: the whole road on one machine, in one state folder, without configuration."""
