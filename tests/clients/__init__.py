"""Programs that are no Python packages of this environment read what geomlib writes.

``make test-clients`` installs them (`install.sh`) and runs these tests; other runs skip them. A
client has one file of tests, and one file for each script that runs in its own interpreter, where
there is no geomlib.
"""
