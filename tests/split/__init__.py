"""Tests of `aetheria.split`."""
