"""statusgate: a self-hosted gateway for WhatsApp Status."""

__version__ = "0.3.0.dev0"
