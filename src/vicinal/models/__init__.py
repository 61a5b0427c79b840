"""Networks by name."""

from vicinal.models.zoo import create_model

__all__ = ["create_model"]
