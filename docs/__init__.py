"""How-tos, reference, and the pictures in them."""
