"""What the product does on a GPU, in one short lease of a machine: correctness first, then time, memory, idleness.

``on_gpu.sh`` runs all of it there; ``python -m tests.benchmarks.gpu --device cpu --tiny`` tries it anywhere.
"""
