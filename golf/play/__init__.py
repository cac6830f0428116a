"""Playing: experiments, their runs, the ledger, the gate and the budget."""
