"""What scripts/bench runs: rootlay and its peers in turn, on the same images and on fresh file systems."""
