"""The contract over HTTP; thin."""
