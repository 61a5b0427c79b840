"""Folders of tiny sounds."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

RATE = 8000


def tone(hertz, seconds=0.1, rate=RATE, channels=1, seed=0):
    time = np.arange(round(seconds * rate)) / rate
    noise = 0.01 * np.random.default_rng(seed).standard_normal((len(time), channels))
    return (0.3 * np.sin(2 * np.pi * hertz * time))[:, None] + noise


def write(file, wave, rate=RATE, **how):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, wave, rate, **how)
    return file


def tones(folder, count=8, suffix=".wav", **how):
    """Low tones and high ones, of unequal lengths."""
    for name, hertz in (("high", 1500), ("low", 300)):
        for number in range(count):
            seconds = 0.06 + 0.01 * (number % 5)
            wave = tone(hertz + 10 * number, seconds, seed=number, **how)
            write(folder / name / f"{number}{suffix}", wave)
    return folder


def in_parquet(folder, suffix=".wav", described=True, change=None):
    """As ``datasets`` writes a column of sounds: records of bytes and path."""
    files = sorted(tones(folder / "files", count=6, suffix=suffix).rglob(f"*{suffix}"))
    records = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    if change is not None:
        change(records)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = [int("low" in str(file)) for file in files]
    table = pa.table({"audio": pa.array(records, kind), "label": pa.array(labels, pa.int64())})
    table = table.append_column("speaker", pa.array([f"s{row % 3}" for row in range(12)]))
    of_label = {"names": ["high", "low"], "_type": "ClassLabel"}
    features = {"audio": {"_type": "Audio"}, "label": of_label}
    features["speaker"] = {"dtype": "string", "_type": "Value"}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    (folder / "data").mkdir()
    table = table.replace_schema_metadata(about if described else None)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return folder / "data"
