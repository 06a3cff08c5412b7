"""Databases for the tests of this folder."""

from tests.databases import account, database_url, journal, lasting_url, postgres_server

__all__ = ["account", "database_url", "journal", "lasting_url", "postgres_server"]
