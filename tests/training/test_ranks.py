"""Which process is which: as job systems, torchrun and users say it."""

from __future__ import annotations

import pytest

from kinema.errors import ConfigError
from kinema.training.ranks import ALONE, Place, find_place


def test_other_processes_than_the_settings_ask_for_are_refused(monkeypatch):
    for name, value in {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2"}.items():
        monkeypatch.setenv(name, value)
    for name, value in {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_NODELIST", "n[7-8]")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    place = find_place(2, 2)
    assert (place.rank, place.count, place.local, place.node, place.address) == (3, 4, 1, 1, "n7")
    with pytest.raises(ConfigError, match=r"4 processes were begun for this training, and trainer.devices 1"):
        find_place(1, 1)
    with pytest.raises(ConfigError, match=r"does not fit trainer.devices"):
        find_place(4, 1)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n[07-09,12],m3", "n07"), ("rack1-n[3]", "rack1-n3"), ("host0,host[1-3]", "host0"), ("one two", "one")],
)
def test_the_first_of_a_job_s_nodes(monkeypatch, nodes, first):
    told = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_NODEID": "1"}
    for name, value in {**told, "SLURM_NODELIST": nodes, "SLURM_JOB_ID": "4300017"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_NAME", "SLURM_NNODES"):
        monkeypatch.delenv(name, raising=False)
    place = find_place(1, 2)
    assert (place.rank, place.address, place.port, place.coming, place.begins) == (1, first, 15017, {0}, 0)
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")  # in which srun has begun a shell
    assert find_place(1, 1) == ALONE
    monkeypatch.delenv("SLURM_JOB_NAME")
    monkeypatch.delenv("SLURM_LOCALID")
    with pytest.raises(ConfigError, match=r"does not say which process this is \(SLURM_PROCID, .*SLURM_LOCALID"):
        find_place(1, 2)


def test_torchrun_says_which_process_is_which(monkeypatch):
    told = {"TORCHELASTIC_RUN_ID": "one", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "GROUP_RANK": "1"}
    for name, value in {**told, "GROUP_WORLD_SIZE": "2", "MASTER_ADDR": "n7", "MASTER_PORT": "29400"}.items():
        monkeypatch.setenv(name, value)
    assert find_place(2, 2) == Place(3, 4, 1, 1, "n7", 29400)
    with pytest.raises(ConfigError, match=r"does not fit trainer.devices 4 and trainer.nodes 1: this is process 1"):
        find_place(4, 1)


def test_nodes_need_an_address(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"trainer.nodes is 2, and nothing says where the first is"):
        find_place(1, 2)
    for name, value in {"MASTER_ADDR": "n7", "MASTER_PORT": "1234", "NODE_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"this is process 0 of node 2"):
        find_place(1, 2)
    monkeypatch.setenv("NODE_RANK", "1")
    assert find_place(3, 2).coming == {0}
