"""A WhatsApp server of our own, for tests: the unmodified engine pairs and posts here."""
