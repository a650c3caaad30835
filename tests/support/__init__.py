"""What tests of several packages need: free ports, waiting for other processes."""
