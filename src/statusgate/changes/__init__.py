"""What a transaction changed, and who is notified of it after the commit."""
