"""Version 2 of the state of a proxy: an account has settings of a limited number of chats."""

from actors.processes.base import action
from actors.processes.relation.contracts import address_of
from actors.processes.relation.proxy_state import MarkAsRead, OfChat, Proxy, ProxyState, SetMuted, SetSticky
from actors.protocol.messages import Context, Effects, Refusal

CHATS_MAX = 2500
"""Most chats with settings of an account, so that getFlags fits into an answer."""


class ProxyV2(Proxy):
    """An account has settings of at most 2,500 chats."""

    __slots__ = ()

    module = "mostao.proxy@2"
    is_limited = True
    state: ProxyState

    @action("markAsRead", body=MarkAsRead, callers="the owner", reply="`status`")
    def mark_as_read(self, body: MarkAsRead, context: Context) -> Effects:
        """Mark a chat as read up to a place. The place never decreases."""
        return self._checked(super().mark_as_read(body, context), body)

    @action("setMuted", body=SetMuted, callers="the owner", reply="`status`")
    def set_muted(self, body: SetMuted, context: Context) -> Effects:
        """Mute or unmute a chat."""
        return self._checked(super().set_muted(body, context), body)

    @action("setSticky", body=SetSticky, callers="the owner", reply="`status`")
    def set_sticky(self, body: SetSticky, context: Context) -> Effects:
        """Pin or unpin a chat."""
        return self._checked(super().set_sticky(body, context), body)

    def _checked(self, effects: Effects, body: OfChat) -> Effects:
        if len(self.state.people[address_of(body.addr)]) > CHATS_MAX:
            raise Refusal(f"an account has settings of at most {CHATS_MAX} chats")
        return effects
