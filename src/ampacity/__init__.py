"""Dynamic load management for buildings with several EV chargers."""

__version__ = "0.1.0"
