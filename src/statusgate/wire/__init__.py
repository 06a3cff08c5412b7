"""The contract's JSON: pure functions between it and the domain."""
