"""The checks, in one module for each part of the README."""

HOUR = 3600
"""Seconds that every deployment must let a task take."""
