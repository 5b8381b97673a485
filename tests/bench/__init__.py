"""Benchmarks, run by `make bench`; figures come from here and never from a timed test."""
