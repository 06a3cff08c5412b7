"""How the account is found that ends the process it shares."""

from collections import defaultdict

import pytest

from statusgate.engines.neonize.blame import ALONE_AT_FIRST, PARTS, TRIAL, WITHIN, Blame

SIXTEEN = [f"account {number:02}" for number in range(16)]


def groups(blame: Blame, now: float, accounts: list[str] = SIXTEEN) -> dict[str, list[str]]:
    """The accounts by whom they may share a process with."""
    found = defaultdict(list)
    for account in accounts:
        found[blame.group(account, now)].append(account)
    return dict(found)


def test_a_single_death_splits_nothing() -> None:
    blame = Blame()
    assert blame.died(SIXTEEN, 0) is None
    assert groups(blame, 1) == {"": SIXTEEN}


def test_deaths_far_apart_split_nothing() -> None:
    blame = Blame()
    for death in range(5):
        assert blame.died(SIXTEEN, death * WITHIN) is None
    assert groups(blame, 5 * WITHIN) == {"": SIXTEEN}


@pytest.mark.parametrize("guilty", ["account 00", "account 07", "account 15"])
def test_the_guilty_one_is_alone_after_four_deaths_and_the_rest_saw_three(guilty: str) -> None:
    blame, seen = Blame(), dict.fromkeys(SIXTEEN, 0)
    found, deaths = None, 0
    while found is None:
        deaths += 1
        together = groups(blame, deaths)[blame.group(guilty, deaths)]
        for account in together:
            seen[account] += 1
        found = blame.died(together, deaths)
    assert (found, deaths) == (guilty, 4)
    assert blame.is_alone(guilty)
    assert max(times for account, times in seen.items() if account != guilty) == 3


def test_a_second_death_splits_into_four_parts_of_equal_size() -> None:
    blame = Blame()
    blame.died(SIXTEEN, 0)
    blame.died(SIXTEEN, 10)
    parts = groups(blame, 11)
    assert "" not in parts
    assert [len(part) for part in parts.values()] == [4] * PARTS


def test_suspects_that_live_on_may_share_with_all_again() -> None:
    blame = Blame()
    blame.died(SIXTEEN, 0)
    blame.died(SIXTEEN, 10)
    part = blame.group(SIXTEEN[0], 11)
    assert blame.seconds(part, 11) == TRIAL - 1
    assert groups(blame, 10 + TRIAL) == {"": SIXTEEN}
    assert blame.seconds(part, 10 + TRIAL) == 0


def test_one_that_was_found_guilty_before_is_alone_at_once_and_for_longer() -> None:
    blame, account = Blame(), SIXTEEN[3]
    blame.died([account], 0)
    assert blame.died([account], 1) == account
    assert blame.died([account], 2) == account  # it dies again, and is no guiltier for that
    later = 2 + ALONE_AT_FIRST
    assert blame.group(account, later - 1) == account
    assert blame.group(account, later) == ""
    assert not blame.is_alone(account)
    assert blame.died(SIXTEEN, later) == account
    assert groups(blame, later)[""] == [one for one in SIXTEEN if one != account]
    assert blame.seconds(account, later) == 2 * ALONE_AT_FIRST


def test_an_account_that_had_no_company_is_guilty_at_its_second_death() -> None:
    blame = Blame()
    assert blame.died(["account"], 0) is None
    assert blame.died(["account"], WITHIN) is None
    assert blame.died(["account"], WITHIN + 1) == "account"
