"""Figures of speed, each beside the baseline it is compared with. `python -m bench` runs all."""
