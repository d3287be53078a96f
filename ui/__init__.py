"""What people see: Streamlit pages."""

from ragstone.ui.launch import launch

__all__ = ["launch"]
