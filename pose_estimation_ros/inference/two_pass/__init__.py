"""Two passes: the whole image at low resolution, then regions around people at a higher one."""
