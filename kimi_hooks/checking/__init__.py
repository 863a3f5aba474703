"""Find what the table of states forbids, and put it right."""
