"""The flow: path, network, loss and samplers of one light network that fuses two sources."""
