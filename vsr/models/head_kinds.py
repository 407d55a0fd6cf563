"""Every file that registers a head of the package; `vsr.models.registry` loads this one."""

from vsr.models import heads, unit_heads

__all__ = ["heads", "unit_heads"]
