"""Models behind an HTTP API that speaks OpenAI's language: where, with which key, how patiently."""
