"""Every call to another host, behind one guard; and the signatures of webhooks."""
