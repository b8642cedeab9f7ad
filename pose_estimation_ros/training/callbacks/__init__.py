"""Lightning callbacks: checkpoints, moving average, logs, images, time limits."""
