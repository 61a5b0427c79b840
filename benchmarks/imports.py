"""The time of importing vicinal, beside that of torch: medians of fresh interpreters, interleaved.

python benchmarks/imports.py
"""

import statistics
import subprocess
import sys
import time

RUNS = 15
IMPORTS = {
    "import torch": "import torch",
    "import vicinal": "import vicinal",
    "from vicinal import MixUp, MixLoss": "from vicinal import MixUp, MixLoss",
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    for code in IMPORTS.values():
        seconds(code)  # warms the disk cache
    all_times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(RUNS):
        for name, code in IMPORTS.items():
            all_times[name].append(seconds(code))
    torch_alone = statistics.median(all_times["import torch"])
    for name, times in all_times.items():
        median = statistics.median(times)
        print(f"{name:36} {median:6.2f} s   {median / torch_alone:5.2f} of import torch")


if __name__ == "__main__":
    main()
