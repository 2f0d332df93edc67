"""A dask cluster of two worker processes on the loopback, of a test's own: a program, and what starts and ends it.

The program prints one line of JSON, the scheduler's address and the workers' pids, and ends with its standard input.
"""

import contextlib
import json
import subprocess
import sys


@contextlib.contextmanager
def cluster(workers=2, *, cwd, environment=None):
    """Start one in this directory. Yield: (dask://HOST:PORT, the pids of the workers)."""
    argv = [sys.executable, __file__, str(workers)]
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as p:
        try:
            told = json.loads(p.stdout.readline())
            yield told["address"].replace("tcp://", "dask://"), told["pids"]
        finally:
            p.stdin.close()
            try:
                p.wait(30)
            finally:
                p.kill()


def _main():
    import logging

    import dask
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    dask.config.set({"distributed.worker.daemon": True, "distributed.comm.timeouts.connect": "5s"})
    with (
        distributed.LocalCluster(
            n_workers=int(sys.argv[1]),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            memory_limit=0,
        ) as made,
        distributed.Client(made) as client,
    ):
        print(json.dumps({"address": made.scheduler_address, "pids": list(client.run(_pid).values())}), flush=True)
        sys.stdin.read()


def _pid():
    import os

    return os.getpid()


if __name__ == "__main__":
    _main()
