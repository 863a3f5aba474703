"""The text that somebody is sent about one ended task."""
