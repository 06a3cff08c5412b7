"""Files of statuses, uploads, and downloads that are due."""

from collections.abc import Iterable
from typing import Any

import msgspec

from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import Download, MediaRef, StoredFile
from statusgate.domain.status import Status

from .rows import file_of, struct_of
from .statuses import Statuses


class Media(Statuses):
    def file(self, instance_id: InstanceId, key: str, now_ms: int) -> StoredFile | None:
        """A stored file that is alive."""
        rows = self._db.run("file", instance_id=instance_id, key=key)
        file = file_of(rows[0]) if rows else None
        if file is None or (file.expires_ms is not None and file.expires_ms <= now_ms):
            return None
        return file

    def recorded_files(self, instance_id: InstanceId, keys: Iterable[str]) -> set[str]:
        """Which of these stored files are on record."""
        rows = self._db.run(
            "recorded_files", instance_id=instance_id, keys=[[key] for key in keys]
        )
        return {row.key for row in rows}

    def add_file(self, instance_id: InstanceId, file: StoredFile) -> None:
        """Record a file before it is stored; a fact keeps it, or it expires."""
        self._db.send("add_file", instance_id=instance_id, **msgspec.structs.asdict(file))

    def keep_file(
        self, instance_id: InstanceId, key: str, expires_ms: int | None = None
    ) -> None:
        """Keep a recorded file: as long as its status, or until *expires_ms*.

        Raises MediaUnavailable, not final, if its record has expired meanwhile.
        """
        kept = self._db.run(
            "keep_file", instance_id=instance_id, key=key, expires_ms=expires_ms
        )
        if not kept:
            raise MediaUnavailable("it took too long to record the stored file", final=False)

    def release_file(self, instance_id: InstanceId, key: str) -> None:
        """Let a recorded file expire at once, unless a status keeps it."""
        self._db.send("release_file", instance_id=instance_id, key=key)

    def upload_usage(self, instance_id: InstanceId, now_ms: int) -> tuple[int, int]:
        """How many uploads are kept for an instance, and their bytes; with what is just now
        being stored."""
        usage = self._db.run("upload_usage", instance_id=instance_id, now_ms=now_ms)[0]
        return usage.count, usage.size

    def attach_file(
        self,
        instance_id: InstanceId,
        status_no: int,
        file: StoredFile,
        thumbnail: bytes | None,
    ) -> Status | None:
        """A status's file is stored: ends its download. None if the status is deleted; then
        nobody needs the file. Raises MediaUnavailable as ``keep_file`` does."""
        key = {"instance_id": instance_id, "status_no": status_no}
        found = self._db.run("file_of_status", **key)
        if not found:
            self.release_file(instance_id, file.key)
            return None
        former = found[0].file_key
        if former is not None and former != file.key:
            self._db.send("end_file", instance_id=instance_id, key=former)
        self.keep_file(instance_id, file.key)
        self._db.send("attach_file", **key, key=file.key, thumbnail=thumbnail)
        self._db.send("drop_download", **key)
        return self.status_by_no(instance_id, status_no)

    def awaits_file(self, instance_id: InstanceId, status_no: int) -> bool:
        """Whether the file of a status is still to be fetched."""
        return bool(self._db.run("awaits_file", instance_id=instance_id, status_no=status_no))

    def instances_with_downloads(self, now_ms: int) -> list[InstanceId]:
        """Instances that have files to fetch now."""
        rows = self._db.run("instances_with_downloads", now_ms=now_ms)
        return [row.instance_id for row in rows]

    def next_download_ms(self, now_ms: int) -> int | None:
        """When the next file is due after *now_ms*; None if there is none."""
        found: int | None = self._db.run("next_download", now_ms=now_ms)[0].due_ms
        return found

    def due_downloads(self, instance_id: InstanceId, now_ms: int, limit: int) -> list[Download]:
        """Files to fetch now, those of the oldest statuses first."""
        rows = self._db.run(
            "due_downloads", instance_id=instance_id, now_ms=now_ms, limit=limit
        )
        return [_download_of(row) for row in rows]

    def want_download(
        self, instance_id: InstanceId, status_no: int, ref: MediaRef, due_ms: int
    ) -> None:
        self._db.send(
            "want_download",
            instance_id=instance_id,
            status_no=status_no,
            due_ms=due_ms,
            **msgspec.structs.asdict(ref),
        )

    def postpone_download(
        self, instance_id: InstanceId, status_no: int, due_ms: int, *, counted: bool
    ) -> None:
        """Try again at *due_ms*; *counted*: this was one of the attempts a file has."""
        self._db.send(
            "postpone_download",
            instance_id=instance_id,
            status_no=status_no,
            due_ms=due_ms,
            counted=counted,
        )

    def drop_download(self, instance_id: InstanceId, status_no: int) -> None:
        self._db.send("drop_download", instance_id=instance_id, status_no=status_no)


def _download_of(row: Any) -> Download:
    return struct_of(Download, row, ref=struct_of(MediaRef, row))
