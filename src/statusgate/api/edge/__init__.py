"""What protects HTTP: the server, bodies, addresses, limits, and how faults are told."""
