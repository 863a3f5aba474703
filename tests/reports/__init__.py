"""The short text about an ended task."""
