"""Files, and their conversion in child processes with limits."""
