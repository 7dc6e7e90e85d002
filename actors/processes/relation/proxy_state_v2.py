"""Version 2 of the state of a proxy: an account has settings of a limited number of chats."""

from typing import Any

from actors.processes.relation.contracts import address_of
from actors.processes.relation.proxy_state import OfChat, Proxy
from actors.protocol.messages import Context, Effects, Refusal

CHATS_MAX = 2500
"""Most chats with settings of an account, so that getFlags fits into an answer."""


class ProxyV2(Proxy):
    """An account has settings of at most 2,500 chats."""

    __slots__ = ()

    module = "mostao.proxy@2"
    is_limited = True

    def _set(self, body: OfChat, context: Context, **changes: Any) -> Effects:
        effects = super()._set(body, context, **changes)
        if len(self.state.people[address_of(body.addr)]) > CHATS_MAX:
            raise Refusal(f"an account has settings of at most {CHATS_MAX} chats")
        return effects
