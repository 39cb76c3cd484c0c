"""The thread that runs the model, what it does there, and the messages to and from it."""
