"""One function of a video, on many machines: Ray shares out the work and says where it is lost.

Where ``cluster`` is asked for, it is ``local`` (Ray's processes on this machine), ``auto`` (the cluster that this
machine belongs to, as after ``ray start``) or the address of one.
"""

from kinema.common.cluster.joining import connected
from kinema.common.cluster.team import ask, spread
from kinema.common.cluster.worker import ATTEMPTS, Lost

__all__ = ["ATTEMPTS", "Lost", "ask", "connected", "spread"]
