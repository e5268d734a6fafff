"""Laws whose cells are complex amplitudes."""
