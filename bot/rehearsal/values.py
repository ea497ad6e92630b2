"""Values whose shape only their reader knows."""

from __future__ import annotations

from typing import Any

Json = Any
"""A decoded JSON or YAML value."""
