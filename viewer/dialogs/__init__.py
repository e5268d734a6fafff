"""Pages and dialogs that stand beside the main window."""
