"""vnic sweep: the same capture through many settings, what each costs, and which of them are the best trade-offs."""
