"""The recipe cifar10-fast, timed as cifar10-airbench does: seconds of training and final accuracy.

    python benchmarks/cifar10_fast.py DATA [SEED] [MIX]

The seconds exclude validation, reading the images and starting. If other programs run beside it,
use one thread (OMP_NUM_THREADS=1), and compare processor seconds.
"""

import sys
import time

import torch

from vicinal import Callback
from vicinal.memory import keep_freed_memory
from vicinal.tasks import TrainOptions, find_split, make_task


class Stopwatch(Callback):
    """Counts the seconds of training: wall-clock time and processor time."""

    clock = processors = 0.0

    def before_train(self, learn):
        self.clock -= time.perf_counter()
        self.processors -= time.process_time()

    def after_train(self, learn):
        self.clock += time.perf_counter()
        self.processors += time.process_time()


def main(data, seed="0", mix="none"):
    keep_freed_memory()
    options = TrainOptions(data, recipe="cifar10-fast", seed=int(seed), mix=mix)
    task = make_task(options, find_split(options))
    torch.manual_seed(options.seed)
    learn = task.learner()
    watch = Stopwatch()
    learn.add_cbs([watch, task.mixer(learn)] if mix != "none" else watch)
    task.fit(learn, task.epochs, task.lr)
    accuracy = learn.history[-1]["valid_accuracy"]
    print(
        f"seed {seed}, mix {mix}: {accuracy:.4f} in {watch.clock:.0f} s of training, "
        f"{watch.processors:.0f} s of the processors"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
