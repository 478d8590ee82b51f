"""Azimuthal integration: geometries in pyFAI, and integration of whole stacks."""
