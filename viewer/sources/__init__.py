"""Sources of frames: live motors and recordings, each served by a thread of its own. No Qt."""
