"""How good poses are: COCO's average precision, OKS, PCKh, and runs over whole datasets."""
