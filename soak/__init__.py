"""Long runs against real services, as long as one likes: what no test in CI has the time for."""
