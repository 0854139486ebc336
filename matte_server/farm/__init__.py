"""Render farms: job bundles for them, and what runs on their workers. See README.md in this folder."""
