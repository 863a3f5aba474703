"""What kimi-hooks costs, measured beside a floor: the least that the same work would take without it."""
