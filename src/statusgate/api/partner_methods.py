"""The table of partner methods (contract 10)."""

from statusgate.api import partner
from statusgate.api.method import Method
from statusgate.wire import partner as partner_wire


def _partner_methods() -> tuple[Method, ...]:
    return (
        Method(
            name="createInstance",
            verb="POST",
            handler=partner.create_instance,
            request=partner_wire.CreateInstanceRequest,
            read=partner_wire.read_new_instance,
            answer=partner_wire.CreateInstanceAnswer,
            about="Adds an instance; any writable setting may be given.",
            section="10",
        ),
        Method(
            name="getInstances",
            verb="GET",
            handler=partner.get_instances,
            answer=list[partner_wire.InstanceItem],
            about="All instances, oldest first; deleted ones for 30 days.",
            section="10",
        ),
        Method(
            name="deleteInstanceAccount",
            verb="POST",
            handler=partner.delete_instance_account,
            request=partner_wire.DeleteInstanceRequest,
            answer=partner_wire.DeleteInstanceAnswer,
            about="Unlinks the device and removes the instance with all its records.",
            section="10",
        ),
    )


PARTNER_METHODS = _partner_methods()
"""``/partner/{method}/{partnerToken}``; handlers take no instance"""
