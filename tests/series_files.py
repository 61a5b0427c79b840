"""Tiny series, in the files that they come in."""

import numpy as np


def waves(count, channels=1, steps=12, seed=0):
    """Series of two classes, slow and fast waves, (channels, steps) each, and their classes."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        name = ("fast", "slow")[number % 2]
        speed = {"fast": 2.0, "slow": 0.6}[name]
        time = np.arange(steps)
        rows = [np.sin(speed * time + rng.uniform(0, 6)) for _ in range(channels)]
        found.append((np.round(np.stack(rows), 4), name))
    return found


def write_ts(file, series, label="class", header=()):
    """A .ts file of series with their labels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = sorted({str(name) for _, name in series})
    says = f"@classLabel true {' '.join(names)}" if label == "class" else "@targetLabel true"
    if label is None:
        says = "@classLabel false"
    lines = ["#made for a test", "@problemName waves", *header, says, "@data"]
    for values, name in series:
        channels = [",".join("?" if np.isnan(x) else str(x) for x in row) for row in values]
        lines.append(":".join([*channels, *([] if label is None else [str(name)])]))
    file.write_text("\n".join(lines) + "\n")
    return file


def write_parts(folder, counts=(12, 8), **how):
    """A folder of a training and a test file."""
    for place, (part, count) in enumerate(zip(("TRAIN", "TEST"), counts, strict=True)):
        write_ts(folder / f"Waves_{part}.ts", waves(count, seed=place, **how))
    return folder
