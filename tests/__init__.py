"""Tests, in the rooms of the packages."""

import os

# Before torch is imported. Tests of several threads run beside others, and a thread that waits by spinning takes their core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
