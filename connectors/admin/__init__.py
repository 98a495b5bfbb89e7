"""The screens of connectors and data sources. Data sources are registered where their runs are shown too."""

from connectors.admin import connectors

__all__ = ["connectors"]
