"""Other programs than PyTorch that compute parts of the model, where they are installed and asked for."""
