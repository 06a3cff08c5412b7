"""What is in ``deploy/``, with the programs that it is written for."""
