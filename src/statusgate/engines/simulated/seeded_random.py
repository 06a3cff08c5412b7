"""Everything the sandbox leaves to chance, drawn so that a run can be repeated exactly."""

import random


class SeededRandom:
    """Streams of random numbers that a seed fixes; one a purpose, so none shifts another."""

    def __init__(self, seed: str, account: int) -> None:
        self._seed = seed
        self._account = account

    def stream(self, purpose: str) -> random.Random:
        """Return the stream of a purpose, from its beginning."""
        return random.Random(f"{self._seed}:{self._account}:{purpose}")  # noqa: S311  repeatable

    def status_id(self, purpose: str) -> str:
        """Return an id in WhatsApp's form: ``3EB0`` and 16 upper-case hex digits."""
        return f"3EB0{self.stream(purpose).getrandbits(64):016X}"

    def wire_id(self, key: str) -> str:
        """Return WhatsApp's id for a post; the same again when the post is repeated."""
        return self.status_id(f"post:{key}")
