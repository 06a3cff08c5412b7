"""Databases and buckets for the tests of this folder."""

from tests.buckets import bucket, s3_server
from tests.databases import account, database_url, journal, lasting_url, postgres_server

__all__ = [
    "account", "bucket", "database_url", "journal", "lasting_url", "postgres_server",
    "s3_server",
]  # fmt: skip
