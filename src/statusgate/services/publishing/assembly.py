"""Putting the parts of publishing together."""

from pathlib import Path

import msgspec

from statusgate.ports import Clock, Converter, Fetcher, Journal, MediaStore
from statusgate.services.commits import Commits
from statusgate.services.instances import Instances
from statusgate.services.ownership import Ownership
from statusgate.services.publishing.accepting import Publishing
from statusgate.services.publishing.deleting import Deleting
from statusgate.services.publishing.outcomes import Outcomes
from statusgate.services.publishing.posting import Poster
from statusgate.services.publishing.preparing import MediaLimits, Preparing
from statusgate.services.publishing.queues import Queues
from statusgate.services.publishing.reports import Reports
from statusgate.services.publishing.wakes import Wakes
from statusgate.services.uploads import Uploads


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing is built on."""

    journal: Journal
    commits: Commits
    instances: Instances
    ownership: Ownership
    clock: Clock
    store: MediaStore
    fetcher: Fetcher
    converter: Converter
    public_url: str
    staging: Path
    """a private folder for files on their way"""
    least_free_bytes: int
    """disk space below which no uploads are taken"""
    max_audience: int | None
    max_voice_seconds: int
    max_video_seconds: int


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What others call, and the two roles that run beside the server."""

    publishing: Publishing
    deleting: Deleting
    reports: Reports
    uploads: Uploads
    preparing: Preparing
    queues: Queues


def assemble(by: Surroundings) -> Parts:
    """Build everything that publishes."""
    wakes = Wakes()
    outcomes = Outcomes(by.commits, by.clock)
    publishing = Publishing(by.commits, by.clock, wakes, max_audience=by.max_audience)
    return Parts(
        publishing=publishing,
        deleting=Deleting(by.journal, by.commits, by.ownership, by.clock, wakes),
        reports=Reports(
            by.journal,
            by.commits,
            by.ownership,
            by.clock,
            public_url=by.public_url,
            max_audience=by.max_audience,
        ),
        uploads=Uploads(
            by.journal,
            by.store,
            by.clock,
            public_url=by.public_url,
            staging=by.staging,
            least_free_bytes=by.least_free_bytes,
        ),
        preparing=Preparing(
            by.journal,
            by.commits,
            by.store,
            by.fetcher,
            by.converter,
            by.clock,
            outcomes,
            wakes,
            limits=MediaLimits(
                voice_seconds=by.max_voice_seconds, video_seconds=by.max_video_seconds
            ),
            public_url=by.public_url,
            staging=by.staging,
        ),
        queues=Queues(
            by.journal,
            by.commits,
            by.instances,
            by.ownership,
            by.clock,
            publishing,
            outcomes,
            Poster(by.journal, by.store, by.staging),
            wakes,
        ),
    )
