"""Training: what turns a network, an objective and annotated pictures into weights, on Lightning's Trainer."""
