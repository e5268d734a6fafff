"""Objectives: tasks that a law is trained for, one a file."""
