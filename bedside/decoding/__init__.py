"""What `bedside decode` and `bedside encode` do."""
