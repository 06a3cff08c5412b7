"""Lists and sums for pages and programs (contract 12.10-12.12)."""

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.wire import lists, summary


async def get_statuses_summary(
    services: Services, instance: Instance, request: summary.SummaryRequest
) -> summary.StatusesSummary:
    """The account's days and hours: posts, recipients, views, reactions and replies."""
    return await services.lists.summary(instance.id, request.timezone, request.days)


async def get_statuses(
    services: Services, instance: Instance, request: lists.StatusesRequest
) -> lists.StatusesPage:
    """Statuses in pages, newest first, or those that wait, next first; with counts."""
    if request.type == "queued":
        return await services.reports.page(instance, request)
    return await services.lists.statuses(instance, request)


async def get_status_viewers(
    services: Services, instance: Instance, request: lists.ViewersRequest
) -> lists.ViewersPage:
    """The recipients of a status by name, and what each of them did; newest action first."""
    return await services.lists.viewers(instance, request)
