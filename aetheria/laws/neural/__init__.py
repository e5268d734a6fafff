"""Laws whose rule is a trained network on real cells."""
