#!/usr/bin/env bash
# speechbrain 1.1.2: AddNoise adds too little white noise to clips that are padded: a clip that fills a tenth of its
# row gets 20 dB instead of 10.
#
# Expected: AddNoise(snr_low=10, snr_high=10)(waveforms, lengths) mixes each clip and its noise at 10 dB. It asks for
# the lengths to leave out the padding.
# What happens: the white noise is as long as the row, but its energy is divided by the length of the clip, so that it
# looks too loud and is turned down. The ratio grows by 10 log10(1 / length): with its batch mates, not by itself.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 torchaudio==2.11.1 speechbrain==1.1.2

cat > "$folder/noise.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from speechbrain.augment.time_domain import AddNoise

torch.manual_seed(0)
lengths = torch.tensor([1, 0.5, 0.25, 0.1])
samples = (lengths * 16000).long().tolist()
clean = torch.zeros(4, 16000)
for row, n in zip(clean, samples):
    row[:n] = torch.randn(n)
noisy = AddNoise(snr_low=10, snr_high=10)(clean, lengths)

scale = 1 - 1 / (10 ** (10 / 20) + 1)  # AddNoise turns the clip down, too
measured = []
for i, n in enumerate(samples):
    signal = scale * clean[i, :n]
    noise = noisy[i, :n] - signal
    measured.append(10 * float((signal.square().sum() / noise.square().sum()).log10()))
    print(f"speechbrain {version('speechbrain')}: {n} of 16000 samples: 10 dB asked for, {measured[-1]:.1f} dB mixed")
gaps = [abs(m - e) for m, e in zip(measured, [10, 13, 16, 20])]
sys.exit(0 if max(gaps) < 0.5 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/noise.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
