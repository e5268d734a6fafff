"""The main window: pages, menus, layout, second view, and embedding into other programs."""
