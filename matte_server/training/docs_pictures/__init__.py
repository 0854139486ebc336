"""Makes the pictures of the documentation out of the product itself.

Run by hand; nothing of the product imports it.
"""
