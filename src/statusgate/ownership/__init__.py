"""Which accounts run on this node, where several nodes share a database; without nodes, all."""
