"""A directory of names: owner and process of each name. Handles and domains are two directories."""

import unicodedata

import msgspec

from actors.processes.base import same_address
from actors.processes.collections.map import Map
from actors.protocol.messages import Refusal

NAME_CHARACTERS_MAX = 64
_FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Name(msgspec.Struct, frozen=True, gc=False):
    """One registered name."""

    shown: str
    """The name as its owner wrote it."""
    pid: str
    owner: str
    order: int
    """Number of the registration. Lists are sorted by it."""


class Directory(msgspec.Struct, frozen=True, gc=False):
    """An immutable directory of names. Changes return a new directory."""

    names: Map[str, Name] = Map()
    by_owner: Map[str, Map[int, str]] = Map()
    """Lower-cased owner to the keys of its names, by registration order. Existing clients lower-case addresses."""
    by_pid: Map[str, str] = Map()
    """Process to the key of its first name: the name under which the process acts."""
    registrations: int = 0

    def find(self, text: str) -> Name | None:
        """The entry of a name, in any case; None if it is not registered."""
        return self.names.get(key(text))

    def of_owner(self, owner: str) -> list[Name]:
        """An owner's names by registration order."""
        keys = self.by_owner.get(owner.lower(), Map())
        return [self.names[keys[order]] for order in sorted(keys)]

    def count_of(self, owner: str) -> int:
        """Number of an owner's names."""
        return len(self.by_owner.get(owner.lower(), ()))

    def of_pid(self, pid: str) -> Name | None:
        """The name under which a process acts; None if it has none."""
        name_key = self.by_pid.get(pid)
        return None if name_key is None else self.names[name_key]

    def register(self, text: str, *, pid: str, owner: str) -> "Directory":
        """Add a name; returns the new directory.

        Raises:
            Refusal: the name is not valid, or is taken.
        """
        name_key = key(text)
        if name_key in self.names:
            raise Refusal(f"{text.strip()!r} is taken")
        name = Name(text.strip(), pid, owner, self.registrations)
        owned = self.by_owner.get(owner.lower(), Map())
        return Directory(
            self.names.set(name_key, name),
            self.by_owner.set(owner.lower(), owned.set(name.order, name_key)),
            self.by_pid if pid in self.by_pid else self.by_pid.set(pid, name_key),
            self.registrations + 1,
        )

    def reassign(self, text: str, *, pid: str, sender: str) -> "Directory":
        """Bind a name to another process; returns the new directory.

        Raises:
            Refusal: the name is not registered, or the sender does not own it.
        """
        name_key, name = self._owned(text, sender)
        by_pid = self._without_pid(name_key, name.pid)
        return msgspec.structs.replace(
            self,
            names=self.names.set(name_key, msgspec.structs.replace(name, pid=pid)),
            by_pid=by_pid if pid in by_pid else by_pid.set(pid, name_key),
        )

    def renounce(self, text: str, *, sender: str) -> "Directory":
        """Remove a name; returns the new directory.

        Raises:
            Refusal: the name is not registered, or the sender does not own it.
        """
        name_key, name = self._owned(text, sender)
        owner = name.owner.lower()
        owned = self.by_owner[owner].delete(name.order)
        return msgspec.structs.replace(
            self,
            names=self.names.delete(name_key),
            by_owner=self.by_owner.set(owner, owned) if owned else self.by_owner.delete(owner),
            by_pid=self._without_pid(name_key, name.pid),
        )

    def _owned(self, text: str, sender: str) -> tuple[str, Name]:
        name_key = key(text)
        name = self.names.get(name_key)
        if name is None:
            raise Refusal(f"{text.strip()!r} is not registered")
        if not same_address(name.owner, sender):
            raise Refusal(f"only the owner of {name.shown!r} can do that")
        return name_key, name

    def _without_pid(self, name_key: str, pid: str) -> Map[str, str]:
        return self.by_pid.delete(pid) if self.by_pid.get(pid) == name_key else self.by_pid


def key(text: str) -> str:
    """The key of a name: trimmed, in Unicode NFKC and case-folded, so that no two names look the same.

    Raises:
        Refusal: the text is not a valid name.
    """
    trimmed = text.strip()
    if trimmed.isascii() and trimmed.isprintable():
        folded = trimmed.lower()
    else:
        if any(unicodedata.category(character) in _FORBIDDEN for character in trimmed):
            raise Refusal("a name has no control, formatting or unassigned characters")
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", trimmed).casefold()).strip()
    if not folded or len(trimmed) > NAME_CHARACTERS_MAX:
        raise Refusal(f"a name has 1 to {NAME_CHARACTERS_MAX} characters")
    return folded
