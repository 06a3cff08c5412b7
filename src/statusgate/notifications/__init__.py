"""Notifications for clients: the queue, webhooks, long polls and the live stream."""
