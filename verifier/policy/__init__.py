"""Proof of origin to acceptable or not: appraisal policies and what they find."""
