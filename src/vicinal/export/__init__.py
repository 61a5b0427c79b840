"""Model files that travel: a run as ONNX, torch.export, timm weights or a folder for a hub."""
