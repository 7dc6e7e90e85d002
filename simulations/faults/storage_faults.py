"""Faults of the storage. They show at a crash of the node, so a world with them needs crashes, too."""

from typing import Annotated

from msgspec import Meta

from simulations.faults.fault import NodeFault, Probability


class TornWrite(NodeFault, frozen=True):
    """Tears the write that a crash interrupts."""

    torn_write: Annotated[
        Probability,
        Meta(description="at a crash, fraction of the sectors being written that are lost; nothing acknowledged is"),
    ] = 0.0

    def torn_write_share(self) -> float:
        """Lose this fraction of the sectors."""
        return self.torn_write


class LostFsync(NodeFault, frozen=True):
    """Lets the drive report syncs that it does not do."""

    lost_fsync: Annotated[
        Probability,
        Meta(description="fraction of fsyncs that the drive reports and does not do; a crash loses what they promised"),
    ] = 0.0

    def lost_fsync_share(self) -> float:
        """Lose this fraction of the syncs."""
        return self.lost_fsync


class BitRot(NodeFault, frozen=True):
    """Flips bits of the node's files."""

    bit_rot: Annotated[
        Probability,
        Meta(description="fraction of crashes during which one bit of the log, its WAL or its snapshots flips"),
    ] = 0.0

    def bit_rot_share(self) -> float:
        """Flip a bit during this fraction of the crashes."""
        return self.bit_rot
