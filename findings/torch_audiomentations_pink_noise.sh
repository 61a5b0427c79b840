#!/usr/bin/env bash
# torch-audiomentations 0.12.0: AddColoredNoise(f_decay=1) adds noise that falls by nearly 6 dB per octave, as brown
# noise does.
#
# Expected: as documented, the power falls as 1 / f**f_decay: f_decay=1 is pink noise (3 dB per octave), f_decay=2 is
# brown (6 dB), and -1 is blue (3 dB upwards).
# What happens: the amplitude is divided by a number that grows evenly from 1 to the root of the highest frequency, not
# by the root of each frequency. At 16 kHz the spectrum of pink noise is nearly flat up to 90 Hz, and twice as steep as
# documented from 500 Hz on.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 torchaudio==2.11.1 numpy==2.3.5 torch-audiomentations==0.12.0

cat > "$folder/colours.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from torch_audiomentations import AddColoredNoise

rate = 16000
torch.manual_seed(0)
clean = torch.randn(32, 1, 1).expand(-1, -1, 2 * rate)  # constants, of which only the level matters
ok = True
for name, decay in {"white": 0, "pink": 1, "brown": 2, "blue": -1}.items():
    add = AddColoredNoise(
        min_snr_in_db=0, max_snr_in_db=0, min_f_decay=decay, max_f_decay=decay, p=1, output_type="dict"
    )
    noise = add(clean, sample_rate=rate).samples - clean
    power = torch.fft.rfft(noise[..., :rate]).abs().square().mean((0, 1))  # in steps of 1 Hz
    octaves = torch.stack([power[f : 2 * f].mean() for f in (500, 1000, 2000, 4000)])
    slopes = (10 * octaves.log10()).diff()
    print(
        f"torch-audiomentations {version('torch-audiomentations')}: f_decay={decay} ({name}):"
        f" {3.01 * -decay:+.1f} dB per octave expected, "
        + ", ".join(f"{slope:+.1f}" for slope in slopes.tolist())
        + " from 500 Hz to 8 kHz"
    )
    ok = ok and bool(((slopes + 5.5 * decay).abs() < 1).all())
sys.exit(0 if ok else 1)
PYTHON
"$folder/venv/bin/python" "$folder/colours.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
