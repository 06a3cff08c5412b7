"""What turns a WhatsApp account, real or simulated, into domain events."""
