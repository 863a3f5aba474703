"""Proofs that take their time: real runners, killed at random."""
