"""The running gateway: built in one place, its roles supervised, until it is told to stop."""
