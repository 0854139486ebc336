"""The networks themselves: torch modules, tensors in and out, nothing else."""
