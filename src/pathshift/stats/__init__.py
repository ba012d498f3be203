"""Estimators, intervals and bands: arrays in, arrays out, no files and no records."""
