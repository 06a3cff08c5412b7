"""The contract over HTTP: one table of methods, one file per topic."""
