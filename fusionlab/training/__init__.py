"""Training a fusion network on curated labels."""
