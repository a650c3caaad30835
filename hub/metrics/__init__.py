"""What Prometheus is told: one table of metrics, counted as plain numbers where things happen, gathered when it asks."""
