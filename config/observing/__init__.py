"""Watching and running the production profile: health, metrics, logs, errors, and the doctor. Changes no data."""
