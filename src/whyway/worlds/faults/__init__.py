"""Faults on purpose, around any world: what a driver senses is spoilt, what is really there is not. One vocabulary for process and nodes."""

from whyway.worlds.faults.injection import FAULTS, FaultError, Injection, Spec, begun, parse
from whyway.worlds.faults.inside import DriverFaults
from whyway.worlds.faults.world import FaultyWorld, faulty

__all__ = [
    "FAULTS",
    "DriverFaults",
    "FaultError",
    "FaultyWorld",
    "Injection",
    "Spec",
    "begun",
    "faulty",
    "parse",
]
