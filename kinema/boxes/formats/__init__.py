"""Files of boxes and keypoints, one module a tool: each reads a file and gives what it found of each video."""
