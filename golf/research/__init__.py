"""What others found, and what is worth trying next: read, graded, verified, put where the agent reads, held to outcomes."""
