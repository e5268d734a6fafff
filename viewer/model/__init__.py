"""Values of the viewer: state, view settings, frames, viewport, levels, messages, time series. No Qt."""
