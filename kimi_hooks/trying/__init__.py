"""Hooks tried by hand: with the event of a task, of a file, or a made-up one. Nothing is written into the journal."""
