"""Tests of pictures in notebooks."""
