"""Alert rules: read from a file, judged without I/O; episodes say which alerts belong together."""
