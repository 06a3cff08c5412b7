"""The contract's shapes: pure functions between the domain and JSON."""
