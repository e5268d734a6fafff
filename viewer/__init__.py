"""The desktop viewer. `from viewer import show; show(motor)` opens it on a motor of your own."""
