"""Settings of the whole suite."""

import os

from hypothesis import settings

# In CI the same examples every time: a verdict on a change must not hang on a lucky draw. Everybody
# else's runs look for new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
