"""Telling clients: queue, webhooks, long polls and the live stream."""
