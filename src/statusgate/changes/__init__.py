"""What a transaction changed, and who hears of it after the commit."""
