"""Which of the processes of a training this one is, as those who begin them say; and beginning the others."""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import dataclass
from subprocess import Popen

import __main__
from kinema.errors import ConfigError

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE")
SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NNODES")
"""Where those who begin all processes of a training say a process's rank, how many there are, its rank on its node, the
node's number and how many of these there are."""


@dataclass(frozen=True)
class Place:
    """A process among those that train together.

    Attributes:
        rank: its number, from 0; that of the first, which scans, speaks and writes.
        count: how many they are on all nodes.
        local: its number on its node, from 0.
        node: the number of its node, from 0.
        address: where the first can be reached.
        port: of the first's store, by which the processes find each other.
        begins: how many others, of its node, it is to begin.
    """

    rank: int
    count: int
    local: int
    node: int
    address: str
    port: int
    begins: int = 0

    @property
    def coming(self) -> frozenset[int]:
        """Ranks of the processes that come whatever this one does: those that it does not begin."""
        return frozenset(range(0, self.count, self.begins + 1)) - {self.rank}


ALONE = Place(0, 1, 0, 0, "", 0)
"""The place of a process that trains alone."""


def find_place(devices: int, nodes: int) -> Place:
    """This process's place; :data:`ALONE` where one process trains alone.

    Where nobody says which process this is, it is the first of its node, and begins the others there.

    Args:
        devices: on each node.
        nodes: how many there are.

    Raises:
        ConfigError: as many processes as there are devices on all nodes were not begun, or nothing says where the
            first one is.
    """
    devices, nodes = max(1, devices), max(1, nodes)  # others are refused with the rest of the settings
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _begun_by(TORCHRUN, devices, nodes)
    if "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        return _begun_by(SLURM, devices, nodes)
    return _begun_by_hand(devices, nodes) if devices * nodes > 1 else ALONE


def _begun_by(names: tuple[str, ...], devices: int, nodes: int) -> Place:
    try:
        rank, count, local, node = (int(os.environ[name]) for name in names[:4])
        on = int(os.environ.get(names[4], nodes))
    except (KeyError, ValueError) as error:
        raise ConfigError(f"the job does not say which process this is ({', '.join(names)}): {error}") from error
    if count != devices * nodes:
        raise ConfigError(
            f"{count} processes were begun for this training, and trainer.devices {devices} on trainer.nodes {nodes} "
            f"ask for {devices * nodes}; begin as many, or change these settings"
        )
    if on != nodes or local >= devices:
        raise ConfigError(
            f"the job does not fit trainer.devices {devices} and trainer.nodes {nodes}: this is process {local}, from "
            f"0, of a node, of which there are {on}; change these settings, or begin as many processes on each node"
        )
    if count == 1:
        return ALONE
    hosts = os.environ.get("SLURM_NODELIST", "127.0.0.1")  # such as n[07-09,12],m3
    first = re.split("[ ,]", re.sub(r"\[([^],-]+)[^]]*\]", r"\1", hosts))[0]
    address = os.environ.get("MASTER_ADDR", first)
    port = os.environ.get("MASTER_PORT") or int(os.environ.get("SLURM_JOB_ID", "")[-4:] or 0) + 15000
    return Place(rank, count, local, node, address, int(port))


def _begun_by_hand(devices: int, nodes: int) -> Place:
    told = os.environ
    local, node = int(told.get("LOCAL_RANK", 0)), int(told.get("NODE_RANK", 0))
    if nodes > 1 and not {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= told.keys():
        raise ConfigError(
            f"trainer.nodes is {nodes}, and nothing says where the first is: begin with torchrun or srun, or set "
            "MASTER_ADDR and MASTER_PORT to the first node's address and a free port there, and NODE_RANK from 0"
        )
    if not (0 <= local < devices and 0 <= node < nodes):
        raise ConfigError(
            f"this is process {local} of node {node} (LOCAL_RANK and NODE_RANK, counted from 0), and there are "
            f"trainer.devices {devices} on trainer.nodes {nodes}; change these settings or begin fewer"
        )
    with socket.create_server(("", 0)) as free:
        address, port = told.get("MASTER_ADDR", "127.0.0.1"), told.get("MASTER_PORT", free.getsockname()[1])
    begins = 0 if "LOCAL_RANK" in told else devices - 1
    return Place(node * devices + local, devices * nodes, local, node, address, int(port), begins)


def begin_others(place: Place) -> list[Popen[bytes]]:
    """Begin the others of this node: this program once more for each, whose environment says which it is. This one's
    says from now on that they were begun, as later trainings of the program have to know."""
    os.environ |= {"MASTER_ADDR": place.address, "MASTER_PORT": str(place.port)}
    os.environ |= {"NODE_RANK": str(place.node), "LOCAL_RANK": str(place.local)}
    module = getattr(__main__, "__spec__", None)
    program = [os.path.abspath(sys.argv[0])] if module is None else ["-m", module.name]
    call = [sys.executable, *program, *sys.argv[1:]]
    return [Popen(call, env={**os.environ, "LOCAL_RANK": str(1 + other)}) for other in range(place.begins)]
