"""Everything the gateway asks of other hosts, behind one guard; and how pushes are signed."""
