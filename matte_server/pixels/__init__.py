"""Whole-frame arithmetic on torch tensors, on any device, never a trip to the host."""
