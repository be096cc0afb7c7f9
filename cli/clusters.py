"""``--on``: a Dask cluster that works for a command, and what is said if it can't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sendright.cli.bad_input import BadInput, NotThere

if TYPE_CHECKING:
    from sendright.model.proof.processes.cluster import Cluster
    from sendright.properties.distribution.pool import Pool

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@contextmanager
def cluster(address: str | None) -> Iterator[Cluster | None]:
    """The Dask cluster at ``address``; None without one. Raises BadInput for what isn't an address, and NotThere."""
    if address is None:
        yield None
        return
    greet(address)
    from sendright.model.proof.processes.cluster import connected, wait_for_workers
    from sendright.model.proof.processes.greeting import NoCluster
    from sendright.properties.distribution.cluster_pool import ClusterLost

    try:
        with connected(address) as found:
            wait_for_workers(found)
            yield found
    except (NoCluster, ClusterLost) as error:
        raise NotThere(f"--on: {error}") from error


def greet(address: str | None) -> None:
    """See whether a scheduler listens at ``address``, which takes no preparation: so it is done first. Raises BadInput
    for what isn't an address, and NotThere."""
    if address is None:
        return
    from sendright.model.proof.processes.greeting import BadAddress, NoCluster, greeted

    try:
        greeted(address)
    except BadAddress as error:
        raise BadInput(f"--on: {error}") from error
    except NoCluster as error:
        raise NotThere(f"--on: {error}") from error


def pool_of(found: Cluster) -> Callable[[Callable[[], Callable[[Item], Answer]]], Pool[Item, Answer]]:
    """What makes a pool of the cluster's workers."""
    from sendright.properties.distribution.cluster_pool import ClusterPool

    return partial(ClusterPool, found)
