"""Commands about models: to get, measure, train and hand them over."""
