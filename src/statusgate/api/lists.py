"""Lists and sums for pages and programs (contract 12.10)."""

from statusgate.api.context import Services
from statusgate.domain.instance import Instance
from statusgate.wire import summary


async def get_statuses_summary(
    services: Services, instance: Instance, request: summary.SummaryRequest
) -> summary.StatusesSummary:
    """The account's days and hours: posts, recipients, views, reactions and replies."""
    return await services.lists.summary(instance.id, request.timezone, request.days)
