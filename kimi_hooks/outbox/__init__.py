"""The mail slot: files go in, claimed files come out."""
