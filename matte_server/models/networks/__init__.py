"""The networks: tensors in, tensors out.

Torch alone: imports nothing of ours and touches no file. The adapters in ``models`` and the training import it.
"""
