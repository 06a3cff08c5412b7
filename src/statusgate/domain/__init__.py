"""Frozen structs and pure rules that need no library."""
