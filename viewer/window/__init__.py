"""The main window: layout, menus, second view."""
