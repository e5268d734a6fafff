"""Views of dynamics: what each of their panels samples, and what it computes from the samples. No Qt."""
