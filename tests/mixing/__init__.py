"""Tests of mixing, and the roads that they lead batches along."""
