"""Golden sets where people have none: questions made from the documents, decided about by people.

Candidates come from a chat model, or without one from titles and headings; each waits in the table
`golden` until a person accepts or rejects it. What is accepted is asked by every evaluation. The log
of real queries tells whether the set still asks what people ask.
"""
