"""Which of the processes of a training this one is, as torchrun, SLURM, other job systems or Lightning say."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    LSFEnvironment,
    MPIEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from kinema.errors import ConfigError

SYSTEMS = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
"""Those who begin all processes of a training, in Lightning's order."""


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
        environment: what Lightning asks all of this.
        coming: ranks of the processes that come whatever this one does: those that it is not to begin.
    """

    rank: int
    count: int
    local: int
    node: int
    address: str
    port: int
    environment: ClusterEnvironment
    coming: frozenset[int]


def find_place(devices: int, nodes: int) -> Place | None:
    """This process's place; None where one process trains alone.

    Where nobody says which process this is, it is the first of its node, and Lightning will begin the others there.

    Args:
        devices: on each node.
        nodes: how many there are.

    Raises:
        ConfigError: as many processes as there are devices on all nodes were not begun, or nothing says where the
            first one is.
    """
    devices, nodes = max(1, devices), max(1, nodes)  # others are refused with the rest of the settings
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that srun is there and not used
            system = next((kind() for kind in SYSTEMS if kind.detect()), None)
        if system is not None:
            _refuse_others(system.world_size(), devices, nodes)
            system.validate_settings(devices, nodes)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"the job does not fit trainer.devices and trainer.nodes: {error}") from error
    if devices * nodes == 1:
        return None
    if system is not None:
        local, node, rank = system.local_rank(), system.node_rank(), system.global_rank()
        coming = frozenset(range(devices * nodes)) - {rank}
        return Place(rank, devices * nodes, local, node, system.main_address, system.main_port, system, coming)
    return _begun_by_lightning(devices, nodes)


def _refuse_others(begun: int, devices: int, nodes: int) -> None:
    if begun != devices * nodes:
        raise ConfigError(
            f"{begun} processes were begun for this training, and trainer.devices {devices} on trainer.nodes {nodes} "
            f"ask for {devices * nodes}; begin as many, or change these settings"
        )


def _begun_by_lightning(devices: int, nodes: int) -> Place:
    environment = LightningEnvironment()
    local, node = environment.local_rank(), environment.node_rank()
    if nodes > 1 and not {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= os.environ.keys():
        raise ConfigError(
            f"trainer.nodes is {nodes}, and nothing says where the first is: begin with torchrun or srun, or set "
            "MASTER_ADDR and MASTER_PORT to the first node's address and a free port there, and NODE_RANK from 0"
        )
    if not (0 <= local < devices and 0 <= node < nodes):
        raise ConfigError(
            f"this is process {local} of node {node} (LOCAL_RANK and NODE_RANK, counted from 0), and there are "
            f"trainer.devices {devices} on trainer.nodes {nodes}; change these settings or begin fewer"
        )
    step = 1 if environment.creates_processes_externally else devices  # otherwise one process of each node
    return Place(
        node * devices + local,
        devices * nodes,
        local,
        node,
        environment.main_address,
        environment.main_port,
        environment,
        frozenset(range(0, devices * nodes, step)) - {node * devices + local},
    )
