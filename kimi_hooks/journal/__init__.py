"""What the runner knows, in one SQLite file: the only door to sqlite3."""
