"""Fault injection: crashes, full disks, damaged files, signals; and the required behaviour."""
