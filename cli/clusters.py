"""``--on``: a Dask cluster that works for a command, and what is said if it can't."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sendright.cli.bad_input import BadInput, NotThere

if TYPE_CHECKING:
    from sendright.model.proof.processes.cluster import Cluster


@contextmanager
def cluster(address: str | None) -> Iterator[Cluster | None]:
    """The Dask cluster at ``address``; None without one. Raises BadInput for what is no address, and NotThere."""
    if address is None:
        yield None
        return
    from sendright.model.proof.processes.cluster import BadAddress, NoCluster, connected
    from sendright.properties.distribution.cluster_pool import ClusterLost

    try:
        with connected(address) as found:
            yield found
    except BadAddress as error:
        raise BadInput(f"--on: {error}") from error
    except (NoCluster, ClusterLost) as error:
        raise NotThere(f"--on: {error}") from error
