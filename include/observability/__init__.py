"""What the platform tells of itself: one structured event per stage, never content or secrets."""
