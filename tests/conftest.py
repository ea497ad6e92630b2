"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run: a red build means a change, not luck. HYPOTHESIS_PROFILE=default looks further.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
