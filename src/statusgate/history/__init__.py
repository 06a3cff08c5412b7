"""Reading what happened: recent items from memory, the rest from the journal."""
