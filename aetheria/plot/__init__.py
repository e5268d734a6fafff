"""Plots with matplotlib: pictures of fields, film strips, space-time diagrams, observables over time, phase portraits."""

from aetheria.plot.pictures import contact_sheet, filmstrip, picture, space_time
from aetheria.plot.series import phase_portrait, series
from aetheria.plot.sources import Source

__all__ = ["Source", "contact_sheet", "filmstrip", "phase_portrait", "picture", "series", "space_time"]
