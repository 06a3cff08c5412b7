"""Calls to hosts that clients name, behind one guard; and the signatures of webhooks."""
