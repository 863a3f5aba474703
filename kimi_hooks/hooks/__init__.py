"""User hooks: their templates, how one is run, and how several are merged."""
