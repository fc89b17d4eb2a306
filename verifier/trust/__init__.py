"""Shapes to proof of origin: trust anchors, the certification path and the signature."""
