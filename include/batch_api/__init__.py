"""Embeddings through a provider's batches: at half the price, within a day.

A batch is written down in the lake before it is submitted, under a name that follows from its texts.
Whoever comes later, in whatever process, on whatever machine, goes on from what is written there:
it finds the batch at the provider, waits for it, takes its vectors into the embedding cache, settles
its cost. It is never submitted a second time. See docs/decisions/0016.
"""
