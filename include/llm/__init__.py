"""Chat models: asked with a fallback order, answered from a cache when the request is the same."""
