"""Reading what happened: from memory what is recent, else from the journal."""
