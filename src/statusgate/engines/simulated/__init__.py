"""The sandbox: a full engine without WhatsApp, driven by scripts (contract 12.9)."""

from statusgate.engines.simulated.engine import SimulatedEngine

__all__ = ["SimulatedEngine"]
