"""Benchmarks on real services: what the hub takes in and delivers, beside named baselines of the same rounds. Run by `./dev bench`."""
