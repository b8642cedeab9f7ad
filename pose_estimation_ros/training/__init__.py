"""Training of tasks on Lightning's Trainer; pose estimation is one of them."""
