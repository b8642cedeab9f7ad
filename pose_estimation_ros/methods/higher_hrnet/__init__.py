"""HigherHRNet (Cheng et al., 2019): bottom-up, heatmaps at two strides and a tag for each keypoint."""
