"""Every call to other hosts, behind one guard; and the signatures of pushes."""
