#!/usr/bin/env bash
# transformers 5.24.0: with label smoothing, Trainer teaches vision-language models to repeat each token, not to predict
# the next one.
#
# Expected: label_smoothing_factor=0.1 smooths the targets that the model is trained on without it: for a decoder, those
# are the next tokens, and the model shifts the labels itself.
# What happens: Trainer takes the loss over, and shifts the labels only for classes on its list of causal language
# models. Llava, Qwen2.5-VL, PaliGemma, SmolVLM and others are not on it: their target at a token is that token. The
# loss falls as fast as ever. The same language model without the vision part is trained well.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 accelerate==1.15.0 transformers==5.24.0

cat > "$folder/smoothing.py" <<'PYTHON'
import sys

import torch
import transformers
from transformers import CLIPVisionConfig, LlamaConfig, LlamaForCausalLM, LlavaConfig, LlavaForConditionalGeneration
from transformers import Trainer, TrainingArguments, set_seed

transformers.utils.logging.set_verbosity_error()
text = LlamaConfig(
    vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
    pad_token_id=0, bos_token_id=1, eos_token_id=2,
)
vision = CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2)
makers = {
    "Llama": lambda: LlamaForCausalLM(text),
    "Llava": lambda: LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_index=31)),
}
series = torch.tensor([[3 + (i + j) % 20 for j in range(24)] for i in range(64)])  # each token follows from the last
rows = [{"input_ids": row, "labels": row} for row in series]
found = {}
for name, make in makers.items():
    for factor in (0.0, 0.1):
        set_seed(0)
        model = make()
        arguments = TrainingArguments(
            sys.argv[1], num_train_epochs=25, per_device_train_batch_size=16, learning_rate=1e-2, report_to="none",
            label_smoothing_factor=factor, save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True,
        )
        Trainer(model, arguments, train_dataset=rows).train()
        with torch.no_grad():
            guessed = model.eval()(input_ids=series).logits.argmax(-1)[:, :-1]
        following = (guessed == series[:, 1:]).float().mean().item()
        same = (guessed == series[:, :-1]).float().mean().item()
        found[name, factor] = following, same
        print(f"transformers {transformers.__version__}: {name}, label_smoothing_factor={factor}:", end=" ")
        print(f"{following:.0%} of its predictions are the next token, {same:.0%} the current one")
are_right = all(found[setting][0] > 0.95 for setting in found if setting != ("Llava", 0.1))
sys.exit(0 if are_right and found["Llava", 0.1][1] > 0.95 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/smoothing.py" "$folder" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
