"""The one command line, `bedside …`, and the embedded set-up that starts the whole road on one machine."""
