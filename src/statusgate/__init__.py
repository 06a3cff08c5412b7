"""statusgate: a self-hosted gateway for WhatsApp Status."""

__version__ = "0.2.0"
