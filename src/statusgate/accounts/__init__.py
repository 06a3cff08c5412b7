"""The WhatsApp accounts: their engines run here, and what these tell is recorded."""
