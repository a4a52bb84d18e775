"""Where in the picture the subject is: boxes around what moves, and boxes and keypoints that other tools found."""
