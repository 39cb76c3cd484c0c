"""What can be undone: the record of each step, and what it takes to go back."""
