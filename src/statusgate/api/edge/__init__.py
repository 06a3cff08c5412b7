"""What protects HTTP: the server, bodies, paths, limits and error answers."""
