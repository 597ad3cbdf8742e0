"""What an electrician would look for: self-check and counters."""
