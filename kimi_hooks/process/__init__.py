"""Commands run to their end by a process of their own: `client` asks for them, `launcher` runs them."""
