"""Work for several processes, of this machine or of a Dask cluster: the answers come as the items are done."""
