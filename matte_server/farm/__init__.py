"""Job bundles for render farms, and what a bundle's tasks call on a worker.

May import shots, server and below; cli imports it. It knows no render farm's Python package.
"""
