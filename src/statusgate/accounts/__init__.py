"""The WhatsApp accounts: their engines run here, and what they report is recorded."""
