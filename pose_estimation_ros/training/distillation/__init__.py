"""Training on another network's outputs and inner layers."""
