"""The running gateway: built in one place, its background roles supervised."""
