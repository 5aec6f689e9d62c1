"""Quality: one declaration of rules, a filter for documents, a recorded verdict for runs."""
