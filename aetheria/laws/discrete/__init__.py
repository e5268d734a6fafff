"""Laws whose cells are whole states."""
