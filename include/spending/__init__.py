"""What models cost: prices, the ledger of every call, hard budgets, rate limits."""
