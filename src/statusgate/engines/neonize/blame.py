"""Finds the account that ends the process it shares with others, by splitting them up.

A process that dies twice within minutes goes on in parts, a part that dies in single accounts,
and an account that then still ends its process lives alone until it has behaved long enough.
"""

import itertools

WITHIN = 600.0
"""seconds between two deaths of accounts that shared a process, for them to be suspects"""

TRIAL = 600.0
"""seconds for which a part, or a single account, has to live to be above suspicion"""

ALONE_AT_FIRST, ALONE_AT_MOST = 3600.0, 24 * 3600.0
"""seconds for which an account lives alone, twice as long each time"""

PARTS = 4


class Blame:
    """Who may share a process with whom; times are monotonic seconds."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._shaken: dict[str, float] = {}
        self._groups: dict[str, str] = {}
        self._until: dict[str, float] = {}
        self._convictions: dict[str, int] = {}

    def group(self, account: str, now: float) -> str:
        """Return which accounts it may share a process with: those of the same group."""
        if self._until.get(account, now) <= now:
            self._groups.pop(account, None)
        return self._groups.get(account, "")

    def seconds(self, group: str, now: float) -> float:
        """Return for how long the accounts of *group* remain one."""
        ends = [self._until[one] for one, its in self._groups.items() if its == group]
        return max(0.0, max(ends, default=now) - now)

    def is_alone(self, account: str) -> bool:
        """Whether the account has been found to end its process."""
        return self._groups.get(account) == account

    def died(self, accounts: list[str], now: float) -> str | None:
        """*accounts* were in a process that died; return the one found guilty, if any."""
        group = self._groups.get(accounts[0], "") if accounts else ""
        before = [one for one in accounts if now - self._shaken.get(one, -WITHIN) < WITHIN]
        self._shaken.update(dict.fromkeys(accounts, now))
        former = [one for one in accounts if one in self._convictions and not group]
        if len(accounts) == 1 and (before or group):
            return self._convict(accounts[0], now)
        if len(former) == 1:
            return self._convict(former[0], now)
        if group:
            self._split(accounts, len(accounts), now)
        elif len(accounts) > 1 and 2 * len(before) > len(accounts):
            self._split(accounts, PARTS, now)
        return None

    def _split(self, accounts: list[str], parts: int, now: float) -> None:
        names = [f"part {next(self._numbers)}" for _ in range(parts)]
        for account, name in zip(accounts, itertools.cycle(names), strict=False):
            self._groups[account], self._until[account] = name, now + TRIAL

    def _convict(self, account: str, now: float) -> str:
        times = self._convictions.get(account, 0)
        if self._groups.get(account) != account:
            times = self._convictions[account] = times + 1
        seconds = min(ALONE_AT_FIRST * 2 ** (times - 1), ALONE_AT_MOST)
        self._groups[account], self._until[account] = account, now + seconds
        return account
