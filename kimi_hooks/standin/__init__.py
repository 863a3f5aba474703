"""A local imitation of the Kimi API, for trying things out and for tests: no key, no cost, no internet."""
