"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings
from servers import _postgres, _redis, postgres, postgres_url, redis, redis_url

__all__ = ["_postgres", "_redis", "postgres", "postgres_url", "redis", "redis_url"]  # fixtures

# The same examples in every run: a red build means a change, not luck. HYPOTHESIS_PROFILE=default looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
