"""The boot state: one host, its kernel ports, the root ledgers and the bootstrap task.

Port numbers are those of snapshots. The bootstrap task holds one send right, with one user reference, for each of the profile's
``bootstrap_names``, under the names 1, 2, 3 … in that order. Its special ports: KERNEL its own port, HOST the ordinary host port,
WIRED_LEDGER and PAGED_LEDGER the root ledgers, as far as the profile has those places. Its memory is empty. Where the profile has special
ports of the host, those of ``BOOT_HOST_PORTS`` are set. The root ledgers have no limit, no balance and no parents. Every send right of
the boot state was made by the kernel: make-send counts equal send-right counts.
"""

from __future__ import annotations

from sendright.mach.rights import PortObject

HOST_PORT = 0
HOST_PRIV_PORT = 1
HOST_SECURITY_PORT = 2
ROOT_WIRED_LEDGER_PORT = 3
ROOT_PAGED_LEDGER_PORT = 4
DEVICE_PORT = 5
BOOTSTRAP_TASK_PORT = 6

BOOTSTRAP_TASK = 0

BOOT_PORTS: dict[int, PortObject] = {
    HOST_PORT: PortObject.HOST,
    HOST_PRIV_PORT: PortObject.HOST_PRIV,
    HOST_SECURITY_PORT: PortObject.HOST_SECURITY,
    ROOT_WIRED_LEDGER_PORT: PortObject.LEDGER,
    ROOT_PAGED_LEDGER_PORT: PortObject.LEDGER,
    DEVICE_PORT: PortObject.DEVICE,
    BOOTSTRAP_TASK_PORT: PortObject.TASK,
}
"""The ports of the boot state, in every profile, in the order in which they are made."""

WELL_KNOWN_PORTS: dict[str, int] = {
    "host": HOST_PORT,
    "host_priv": HOST_PRIV_PORT,
    "host_security": HOST_SECURITY_PORT,
    "root_ledger_wired": ROOT_WIRED_LEDGER_PORT,
    "root_ledger_paged": ROOT_PAGED_LEDGER_PORT,
    "device_priv": DEVICE_PORT,
}
"""What scripts and profiles call them."""

BOOT_HOST_PORTS: dict[int, int] = {1: HOST_PORT, 2: HOST_PRIV_PORT, 3: DEVICE_PORT}
"""``host_get_special_port``: number -> port."""

ROOT_LEDGERS = (ROOT_WIRED_LEDGER_PORT, ROOT_PAGED_LEDGER_PORT)
