"""What the hub is compared with: programs of their own that do one part of its work and nothing else."""
