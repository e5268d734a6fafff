"""Pages and dialogs beside the main window."""
