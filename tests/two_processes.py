"""Two processes that train together, as torchrun starts them."""

import os
import subprocess
import sys


def launch(*arguments, cwd, timeout=240):
    """Run a script or a module by two processes on this machine; what they said."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd, env=environment, timeout=timeout, capture_output=True, text=True,
    )  # fmt: skip
