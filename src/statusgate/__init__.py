"""statusgate: a self-hosted gateway for WhatsApp Status."""

__version__ = "0.1.0"
