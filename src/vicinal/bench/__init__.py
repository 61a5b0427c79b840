"""How fast mixing is on this machine, beside the peers that are installed and a plain copy."""
