"""The notebooks of the docs run, and are kept without what they show."""
