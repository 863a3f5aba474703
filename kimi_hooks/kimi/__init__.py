"""Asking Kimi: the HTTP client, what it understands of the replies, and what is known of the models."""
