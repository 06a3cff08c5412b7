"""What keeps the gateway small: retention, free space, sweeps."""
