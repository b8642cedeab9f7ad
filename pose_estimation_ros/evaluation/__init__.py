"""Accuracy and speed over datasets: COCO's AP, PCKh, tracking scores, reports."""
