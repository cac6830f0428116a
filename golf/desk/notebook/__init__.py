"""The experiment notebook: was it written down what is expected, and was that before the code and the result."""
