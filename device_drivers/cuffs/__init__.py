"""Blood-pressure cuffs and modules that speak a protocol of their maker."""
