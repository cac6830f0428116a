"""What others found and what is worth trying next: read, graded, verified, laid before the agent, held to outcomes."""
